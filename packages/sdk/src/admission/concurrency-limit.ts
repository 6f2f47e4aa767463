import { Gradient2, type Gradient2Settings } from './gradient2.js'
import { SampleWindow } from './sample-window.js'

/** How many calls may be in flight at present. */
export interface ConcurrencyLimit {
  readonly current: number
  /**
   * A call has been answered.
   *
   * @param leastMs Its latency at the least, where our own event loop was held up.
   * @param mostMs At the most; the same: it is known exactly.
   * @param inflight How many calls were in flight when it began, itself included.
   */
  observe(leastMs: number, mostMs: number, inflight: number, now: number): void
}

/** One that stays. */
export class FixedLimit implements ConcurrencyLimit {
  readonly current: number

  constructor(limit: number) {
    this.current = limit
  }

  observe(): void {
    // It depends on nothing.
  }
}

/** Below what a network does, so that a latency is never 0. */
const SMALLEST_MS = 0.1

/** One that goes by latency: by the median of each window of calls, as that of a single call says little. */
export class AdaptiveLimit implements ConcurrencyLimit {
  readonly #gradient: Gradient2
  readonly #window = new SampleWindow()

  constructor(settings: Gradient2Settings) {
    this.#gradient = new Gradient2(settings)
  }

  get current(): number {
    return this.#gradient.limit
  }

  observe(leastMs: number, mostMs: number, inflight: number, now: number): void {
    const { usualMs } = this.#gradient
    // Of one that is known within bounds it is what is nearest to the usual, and nothing where that is within them.
    if (leastMs < mostMs && leastMs <= usualMs && usualMs <= mostMs) return
    const nearest = Math.min(Math.max(usualMs, leastMs), mostMs)
    const window = this.#window
    window.add(Math.max(nearest, SMALLEST_MS), inflight, now)
    if (!window.isWhole(now)) return
    const medianMs = window.median()
    this.#gradient.update(medianMs, window.inflight)
    window.begin(now, medianMs)
  }
}
