import type { Clock } from '../clock.js'

// Eight buckets for each doubling: a quantile is at most an eighth too high.
const STEPS = 8
const STEP_BITS = 3
// From 2^-5 ms, 31 µs, over 2^22 ms, more than an hour.
const DOUBLINGS = 27
const UNITS_PER_MS = 32
const BUCKETS = DOUBLINGS * STEPS

/** How long what is measured counts at least, in milliseconds; at most twice as long. */
const WINDOW_MS = 30_000

/** With fewer, a quantile says nothing: the 95th percentile of 20 is the second highest. */
const LEAST = 20

/**
 * Quantiles of the latency of the last 30 to 60 seconds: a histogram with buckets that grow by an eighth of a doubling, in
 * two windows of which the older one is dropped. One addition for each measurement, and no allocation. As HdrHistogram has
 * its buckets.
 */
export class RecentLatency {
  readonly #clock: { now(): number }
  #current = new Uint32Array(BUCKETS)
  #before = new Uint32Array(BUCKETS)
  #count = 0
  #countBefore = 0
  #until: number
  /** What was asked for, and the answers, for as long as they stand. */
  readonly #answers = new Map<number, number | undefined>()
  #answersUntil = -Infinity

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
    this.#until = clock.now() + WINDOW_MS
  }

  /** @param now The clock's milliseconds. */
  record(ms: number, now: number): void {
    this.#rotate(now)
    const index = bucketOf(ms)
    this.#current[index] = (this.#current[index] ?? 0) + 1
    this.#count++
  }

  /**
   * In milliseconds, rounded up; undefined: too little is known. Computed anew at most once in 250 ms.
   *
   * @param quantile 0 to 1.
   */
  quantile(quantile: number): number | undefined {
    const now = this.#clock.now()
    if (now >= this.#answersUntil) {
      this.#rotate(now)
      this.#answers.clear()
      this.#answersUntil = now + 250
    }
    if (!this.#answers.has(quantile)) this.#answers.set(quantile, this.#compute(quantile))
    return this.#answers.get(quantile)
  }

  #compute(quantile: number): number | undefined {
    const total = this.#count + this.#countBefore
    if (total < LEAST) return undefined
    let above = total * (1 - quantile)
    for (let index = BUCKETS - 1; index >= 0; index--) {
      above -= (this.#current[index] ?? 0) + (this.#before[index] ?? 0)
      if (above < 0) return endOf(index)
    }
    return endOf(0)
  }

  #rotate(now: number): void {
    if (now < this.#until) return
    const empty = this.#before.fill(0)
    // After a pause nothing of what is kept is recent.
    const stale = now >= this.#until + WINDOW_MS
    this.#before = stale ? this.#current.fill(0) : this.#current
    this.#countBefore = stale ? 0 : this.#count
    this.#current = empty
    this.#count = 0
    this.#until = now + WINDOW_MS
  }
}

function bucketOf(ms: number): number {
  const units = Math.min(ms * UNITS_PER_MS, 2 ** 31 - 1) | 0
  // Below one step for each unit.
  if (units < STEPS) return Math.max(units, 0)
  const shift = 31 - Math.clz32(units) - STEP_BITS
  return Math.min((shift << STEP_BITS) + (units >> shift), BUCKETS - 1)
}

/** Where a bucket ends, in milliseconds. */
function endOf(index: number): number {
  if (index < 2 * STEPS) return (index + 1) / UNITS_PER_MS
  const shift = (index >> STEP_BITS) - 1
  return (((index & (STEPS - 1)) + STEPS + 1) * 2 ** shift) / UNITS_PER_MS
}
