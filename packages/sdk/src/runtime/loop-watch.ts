import type { Clock, Timer } from '../clock.js'

/** How exactly it is known when the event loop polled: a timer is due so often while responses are awaited. */
const PERIOD_MS = 20

/**
 * What was read further than this behind the last poll may have waited for us: the period, and 5 ms by which a timer of
 * Node's is late by itself, as it counts in whole milliseconds and has a short turn of the loop before it.
 */
const HELD_UP_MS = PERIOD_MS + 5

// More stalls of the loop than fit into the time of a request that is worth judging.
const KEPT = 16

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
  /** The latest times at which the loop stood still while responses were awaited: from when to when. */
  readonly #stalls: { readonly from: number; readonly to: number }[] = []

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

  /** For how much of this time the loop stood still, in milliseconds: at the least, and as far as it is remembered. */
  heldUpMs(from: number, to: number): number {
    let sum = 0
    for (const stall of this.#stalls) sum += Math.max(0, Math.min(stall.to, to) - Math.max(stall.from, from))
    return sum
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
    if (now - this.#dueAt > PERIOD_MS) this.#remember(this.#dueAt, now)
    // At once where it is late: the turn after a long one tells that all which came in during it has been read.
    this.#arm(Math.max(0, this.#dueAt + PERIOD_MS - now), now)
  }

  #remember(from: number, to: number): void {
    this.#stalls.push({ from, to })
    if (this.#stalls.length > KEPT) this.#stalls.shift()
  }
}
