export interface RetryBudgetOptions {
  /** Retries allowed for each request of the last `ttlMs`: 0.2 is one retry for five requests. */
  readonly ratio: number
  /** Retries a second that are allowed whatever the traffic. */
  readonly minPerSecond: number
  /** How long a request counts, in milliseconds. */
  readonly ttlMs: number
}

// In panic: half of the share, of a second. What went before the panic was known, and the tenths that the second is counted
// by, fit into the other half.
const IN_PANIC = { share: 0.5, ttlMs: 1000 }

/**
 * Caps retries at a share of the traffic, so that retries cannot multiply an overload.
 * Source: Finagle `RetryBudget` (20%, 10 a second, 10 s), which Linkerd uses with the same defaults. Theirs can be saved
 * up, so that one instance that dies costs no request; where all die, what is saved would double the load at the worst
 * time. So in panic it is half of the share, of the last second, that counts as well.
 */
export class RetryBudget {
  readonly #saved: Allowance
  readonly #inPanic: Allowance

  constructor(options: RetryBudgetOptions, now: number) {
    this.#saved = new Allowance(options, now)
    const ratio = options.ratio * IN_PANIC.share
    const minPerSecond = options.minPerSecond * IN_PANIC.share
    this.#inPanic = new Allowance({ ratio, minPerSecond, ttlMs: IN_PANIC.ttlMs }, now)
  }

  /** A request was made. */
  deposit(now: number): void {
    this.#saved.deposit(now)
    this.#inPanic.deposit(now)
  }

  /** Takes leave for one retry. */
  withdraw(now: number, inPanic = false): boolean {
    if (this.#saved.balance(now) < 1 || (inPanic && this.#inPanic.balance(now) < 1)) return false
    this.#saved.spend(now)
    this.#inPanic.spend(now)
    return true
  }

  /** Retries that are left at this moment. */
  balance(now: number): number {
    return this.#saved.balance(now)
  }
}

const SLOTS = 10

/** Balance = requests of the last `ttlMs` x ratio + reserve - retries of the last `ttlMs`. */
class Allowance {
  readonly #ratio: number
  readonly #reserve: number
  readonly #slotMs: number
  /** What each tenth of the window added, retries subtracted. */
  readonly #slots = new Float64Array(SLOTS)
  #slot: number

  constructor(options: RetryBudgetOptions, now: number) {
    this.#ratio = options.ratio
    this.#reserve = (options.minPerSecond * options.ttlMs) / 1000
    this.#slotMs = options.ttlMs / SLOTS
    this.#slot = Math.floor(now / this.#slotMs)
  }

  deposit(now: number): void {
    this.#expire(now)
    this.#add(this.#ratio)
  }

  spend(now: number): void {
    this.#expire(now)
    this.#add(-1)
  }

  balance(now: number): number {
    this.#expire(now)
    let sum = this.#reserve
    for (const slot of this.#slots) sum += slot
    // A sum of fifths may miss a whole number by an ulp.
    return Math.floor(sum * 1e6 + 0.5) / 1e6
  }

  #add(amount: number): void {
    const index = this.#slot % SLOTS
    this.#slots[index] = (this.#slots[index] ?? 0) + amount
  }

  #expire(now: number): void {
    const slot = Math.floor(now / this.#slotMs)
    const passed = Math.min(slot - this.#slot, SLOTS)
    for (let step = 1; step <= passed; step++) this.#slots[(this.#slot + step) % SLOTS] = 0
    if (passed > 0) this.#slot = slot
  }
}
