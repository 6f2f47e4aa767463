/** The parameters of {@link Gradient2}, under Netflix's names. */
export interface Gradient2Settings {
  readonly initialLimit: number
  readonly minLimit: number
  readonly maxLimit: number
  /** What the limit grows by while latency is what it usually is: as many may queue at the service. */
  readonly queueSize: number
  /** Up to how many times its usual value latency is no sign of a queue. */
  readonly rttTolerance: number
}

/** How much of a new limit is taken over at once. Netflix's default. */
const SMOOTHING = 0.2

/** The usual latency goes over about so many samples, and is measured anew after as many. Netflix's `longWindow`. */
const LONG_WINDOW = 600

/** So many samples make a measurement. Netflix's warm-up. */
const MEASURED = 10

/**
 * A limit of concurrency that follows latency: it falls where the latency of the moment is above the usual one, as requests
 * queue at the service then, and rises by `queueSize` where it is not.
 *
 * Source: `Gradient2Limit` of Netflix concurrency-limits, with its values, but for what counts as usual. There it is a
 * moving average of all samples. Under a load that stays above what the service can do the queue becomes usual with it,
 * and the limit drifts up to `maxLimit` within minutes. So an average is moved only where less than half of the limit is
 * used; where more is, the limit is halved after every 600 samples, for 10 of them, and what they show is the usual
 * latency from then on. Envoy's adaptive concurrency measures its minimum in the same way. Half is low enough, as a limit
 * is never above twice what the service can do at once unless the usual latency is wrong, and it is half as wrong then.
 */
export class Gradient2 {
  readonly #settings: Gradient2Settings
  #limit: number
  #usualMs = 0
  /** While it is measured: the limit for that, else 0. */
  #held: number
  #measuredMs = 0
  #measured = 0
  /** Samples since then. */
  #since = 0

  constructor(settings: Gradient2Settings) {
    this.#settings = settings
    this.#limit = settings.initialLimit
    this.#held = settings.initialLimit
  }

  /** A whole number. */
  get limit(): number {
    return Math.floor(this.#held > 0 ? this.#held : this.#limit)
  }

  /** The usual latency in milliseconds; 0: not known yet. */
  get usualMs(): number {
    return this.#usualMs
  }

  /**
   * Takes in a sample.
   *
   * @param shortMs The latency of the moment, above 0.
   * @param inflight How many were in flight.
   */
  update(shortMs: number, inflight: number): void {
    if (this.#held > 0) this.#measure(shortMs, inflight)
    else if (inflight < this.#limit / 2) this.#average(shortMs)
    else if (++this.#since > LONG_WINDOW) this.#held = Math.max(this.#settings.minLimit, this.#limit / 2)
    else this.#adjust(shortMs)
  }

  #adjust(shortMs: number): void {
    const { minLimit, maxLimit, queueSize, rttTolerance } = this.#settings
    // At most halved, as a sample may stand alone.
    const gradient = Math.max(0.5, Math.min(1, (rttTolerance * this.#usualMs) / shortMs))
    const wanted = this.#limit * gradient + queueSize
    const smoothed = this.#limit + SMOOTHING * (wanted - this.#limit)
    this.#limit = Math.max(minLimit, Math.min(maxLimit, smoothed))
    this.#comeDown(shortMs)
  }

  #average(shortMs: number): void {
    this.#usualMs += (2 / (LONG_WINDOW + 1)) * (shortMs - this.#usualMs)
    this.#comeDown(shortMs)
  }

  /** A service that is twice as fast as usual has had a long time of load: the average follows sooner. */
  #comeDown(shortMs: number): void {
    if (this.#usualMs > 2 * shortMs) this.#usualMs *= 0.95
  }

  #measure(shortMs: number, inflight: number): void {
    // Those from before the limit was halved say nothing of it.
    if (inflight > this.limit) return
    this.#measured++
    this.#measuredMs += (shortMs - this.#measuredMs) / this.#measured
    if (this.#measured < MEASURED) return
    this.#usualMs = this.#measuredMs
    this.#measured = 0
    this.#held = 0
    this.#since = 0
  }
}
