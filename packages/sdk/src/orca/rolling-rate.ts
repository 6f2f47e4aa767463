// Two halves of a second each: what is counted is of the last one to two seconds, as current as what reads it once a second.
const HALF_MS = 1000

/** How many a second, lately. Needs no timer, and two numbers, whatever it counts. */
export class RollingRate {
  /** When the current half began. */
  #turnedAt: number
  #current = 0
  #before = 0

  /** @param now In milliseconds. Before it there was nothing to count. */
  constructor(now: number) {
    this.#turnedAt = now
  }

  count(now: number): void {
    this.#turn(now)
    this.#current++
  }

  perSecond(now: number): number {
    this.#turn(now)
    return (1000 * (this.#before + this.#current)) / (HALF_MS + now - this.#turnedAt)
  }

  #turn(now: number): void {
    const elapsed = now - this.#turnedAt
    if (elapsed < HALF_MS) return
    const skipped = elapsed >= 2 * HALF_MS
    this.#before = skipped ? 0 : this.#current
    this.#current = 0
    this.#turnedAt = skipped ? now : this.#turnedAt + HALF_MS
  }
}
