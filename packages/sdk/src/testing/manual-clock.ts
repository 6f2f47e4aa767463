import type { Clock, Timer } from '../clock.js'

interface Pending {
  readonly at: number
  readonly callback: () => void
}

// Far from both ends of what a test could call now.
const EPOCH_MS = Date.UTC(2030, 0, 1)

/** A clock that stands still until a test moves it on. */
export class ManualClock implements Clock {
  readonly #timers = new Set<Pending>()
  #now = 0

  now(): number {
    return this.#now
  }

  /** Begins on 1 January 2030. */
  unixTime(): number {
    return EPOCH_MS + this.#now
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const pending = { at: this.#now + Math.max(0, delayMs), callback }
    this.#timers.add(pending)
    return pending
  }

  clearTimer(timer: Timer): void {
    this.#timers.delete(timer as Pending)
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.size
  }

  /** Milliseconds until the next timer fires; undefined: none is set. */
  get nextDelayMs(): number | undefined {
    const next = this.#earliest()
    return next === undefined ? undefined : next.at - this.#now
  }

  /** Moves time on by `ms` milliseconds; fires what falls due, in order, letting promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settled()
    for (;;) {
      const next = this.#earliest()
      if (next === undefined || next.at > end) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
      await settled()
    }
    this.#now = end
  }

  /**
   * Moves time on by `ms` milliseconds and fires nothing, as when the event loop is held up: what has fallen due is late,
   * and comes with the next `advance`, behind what the test does before it.
   */
  holdUp(ms: number): void {
    this.#now += ms
  }

  #earliest(): Pending | undefined {
    let earliest: Pending | undefined
    for (const timer of this.#timers) if (earliest === undefined || timer.at < earliest.at) earliest = timer
    return earliest
  }
}

// A macrotask comes after every promise that is ready to settle.
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
