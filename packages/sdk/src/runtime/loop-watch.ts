import type { Clock, Timer } from '../clock.js'

/** How exactly it is known when the event loop polled: a timer is due so often while responses are awaited. */
const PERIOD_MS = 20

/**
 * What was read further than this behind the last poll may have waited for us: the period, and 5 ms by which a timer of
 * Node's is late by itself, as it counts in whole milliseconds and has a short turn of the loop before it.
 */
const HELD_UP_MS = PERIOD_MS + 5

/**
 * Since when a response that is read now can have been there: an event loop that was held up reads it late, and that
 * delay is ours and not the endpoint's. It costs a timer of 20 ms while responses are awaited, and nothing otherwise.
 *
 * Made with a clock of the background, as it is not waited for.
 */
export class LoopWatch {
  readonly #clock: Clock
  #awaited = 0
  #timer: Timer | undefined
  #dueAt = 0
  /** The loop has polled since: what had come in by then has been read. */
  #polledAt = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** One more response is awaited. */
  begin(now: number): void {
    if (this.#awaited++ > 0 || this.#timer !== undefined) return
    // What is awaited from now on can only be answered later.
    this.#polledAt = now
    this.#arm(PERIOD_MS, now)
  }

  /** One fewer. The timer stays: requests in turn would set one each. */
  end(): void {
    this.#awaited--
  }

  /** The earliest that something read at `now` can have come in, in the clock's milliseconds; `now`: just so. */
  earliest(now: number): number {
    return now - this.#polledAt > HELD_UP_MS ? this.#polledAt : now
  }

  #arm(delayMs: number, now: number): void {
    this.#dueAt = now + delayMs
    this.#timer = this.#clock.setTimer(() => this.#fire(), delayMs)
  }

  /** A timer fires before its turn's poll and is told of it behind that, so that the poll came after it was due. */
  #fire(): void {
    this.#timer = undefined
    this.#polledAt = this.#dueAt
    if (this.#awaited === 0) return
    const now = this.#clock.now()
    // At once where it is late: the turn after a long one tells that all which came in during it has been read.
    this.#arm(Math.max(0, this.#dueAt + PERIOD_MS - now), now)
  }
}
