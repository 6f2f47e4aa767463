import type { Clock, Timer } from '../clock.js'

/** Something that is over at a time, and stands in the queue of those that are given as long. */
export interface Deadlined {
  /** The clock's milliseconds. Written by the queue. */
  deadline: number
  before: Deadlined | undefined
  after: Deadlined | undefined
  /** @param lateMs So much later than its time: our own event loop was held up. */
  expire(lateMs: number): void
}

/**
 * One timer for all that have the same time: who came first is over first, so only the first needs one.
 * Adding and removing take constant time, and no timer of their own.
 */
export class Deadlines {
  /** What each is given, in milliseconds; `Infinity`: for ever. */
  readonly timeoutMs: number
  readonly #clock: Clock
  #first: Deadlined | undefined
  #last: Deadlined | undefined
  #timer: Timer | undefined

  constructor(timeoutMs: number, clock: Clock) {
    this.timeoutMs = timeoutMs
    this.#clock = clock
  }

  add(item: Deadlined, now: number): void {
    if (this.timeoutMs === Infinity) return
    item.deadline = now + this.timeoutMs
    item.before = this.#last
    if (this.#last === undefined) this.#first = item
    else this.#last.after = item
    this.#last = item
    this.#arm(now)
  }

  /** Whether it is in the queue or not. */
  remove(item: Deadlined): void {
    const { before, after } = item
    if (before === undefined && this.#first !== item) return
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    item.before = undefined
    item.after = undefined
    // A timer left behind would keep the process alive. One that is early for the next in line may stay.
    if (this.#first === undefined && this.#timer !== undefined) {
      this.#clock.clearTimer(this.#timer)
      this.#timer = undefined
    }
  }

  #fire(): void {
    this.#timer = undefined
    // Once: what comes due while these are told is for the next timer, behind what I/O has brought by then.
    const now = this.#clock.now()
    for (let item = this.#first; item !== undefined && item.deadline <= now; item = this.#first) {
      this.remove(item)
      item.expire(now - item.deadline)
    }
    this.#arm(this.#clock.now())
  }

  #arm(now: number): void {
    if (this.#first === undefined || this.#timer !== undefined) return
    this.#timer = this.#clock.setTimer(() => this.#fire(), this.#first.deadline - now)
  }
}
