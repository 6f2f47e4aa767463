/**
 * Time constant of the average in milliseconds: a sample has lost 63% of its say after it.
 * 10 s, the default of Finagle and Linkerd.
 */
const TAU_MS = 10_000

// A failure counts as four times what the endpoint was thought to take: one loses it most of its traffic for
// tau x ln 4 = 14 s, and each further one multiplies, which backs off from a dead endpoint within a few requests.
const FAILURE_FACTOR = 4

// Linkerd's penalty for a failure, 5 s, here the most that failures add up to: forgiven within tau x ln(5000 / 5),
// about 70 s, where 5 ms is usual.
const LARGEST_PENALTY_MS = 5000

// Below the resolution of anything a network does; keeps "never answered" from multiplying by zero.
const SMALLEST_MS = 0.1

// What a 32-bit integer holds, 35 min 47 s: who is slower is no worse.
const LARGEST_US = 0x7fff_ffff

// A thousandth of the time constant: what it takes off the estimate is less than two samples differ by.
const STEP_MS = TAU_MS / 1000

// e^(-n / 1000) for n steps is FINE[n mod 256] x COARSE[n / 256]: Math.exp took a third of a pick. 64 x 256 steps are
// 164 s, after which 5 s are less than a microsecond.
const FINE = Float64Array.from({ length: 256 }, (_, step) => Math.exp(-step / 1000))
const COARSE = Float64Array.from({ length: 64 }, (_, step) => Math.exp((-step * 256) / 1000))

// The first samples are averaged, the first one replacing the seed: what is slow about them is mostly cold code and
// cold caches, here and there, and as a peak it would stand for longer than the time constant.
const WARM_UP = 10

/**
 * Peak EWMA of latency: jumps up to a slow sample at once, comes down slowly.
 * Source: Finagle `PeakEwma`. Reading projects the decay to the present and writes nothing (Linkerd `Ewma::get_at`).
 */
export class PeakEwma {
  // Whole microseconds and milliseconds: V8 keeps small integers in the object and boxes doubles, so that a pick
  // among 10,000 endpoints waits for one cache line instead of three.
  #valueUs = 0
  #atMs = 0
  #samples = 0

  /** @param seedMs Stands in until the first sample, so that a new endpoint is not taken for a free one. */
  constructor(seedMs: number, now: number) {
    this.#set(seedMs, now)
  }

  /** Are there samples enough to tell a slow endpoint from a cold start? */
  get settled(): boolean {
    return this.#samples === WARM_UP
  }

  /**
   * The estimate at `now`, in whole microseconds: halves in 6.9 s without samples, so that an endpoint once slow gets
   * another chance.
   */
  estimateUs(now: number): number {
    const elapsed = now - this.#atMs
    return elapsed < STEP_MS ? this.#valueUs : decayed(this.#valueUs, elapsed)
  }

  /** Takes in the time to first byte of a response. */
  observe(sampleMs: number, now: number): void {
    const sample = Math.max(sampleMs, SMALLEST_MS)
    const value = this.#valueUs / 1000
    if (this.#samples < WARM_UP) {
      this.#samples++
      this.#set(value + (sample - value) / this.#samples, now)
    } else if (sample > value) {
      this.#set(sample, now)
    } else {
      const kept = Math.exp((this.#atMs - now) / TAU_MS)
      this.#set(value * kept + sample * (1 - kept), now)
    }
  }

  /**
   * Takes in the time to first byte of a response of which only this much is known: what is nearest to the estimate, and
   * nothing where the estimate agrees with it.
   */
  observeBetween(leastMs: number, mostMs: number, now: number): void {
    const estimateMs = this.estimateUs(now) / 1000
    if (estimateMs > mostMs) this.observe(mostMs, now)
    else if (estimateMs < leastMs) this.observe(leastMs, now)
  }

  /** Takes in a failure after `elapsedMs`: failing fast must not look like answering fast. */
  penalize(elapsedMs: number, now: number): void {
    const worse = Math.max(this.estimateUs(now) / 1000, SMALLEST_MS) * FAILURE_FACTOR
    this.#samples = WARM_UP
    this.#set(Math.max(elapsedMs, Math.min(worse, LARGEST_PENALTY_MS)), now)
  }

  /** What was measured says nothing any more: the next sample replaces it, and it is not settled before some have come. */
  forget(): void {
    this.#samples = 0
  }

  #set(valueMs: number, now: number): void {
    this.#valueUs = Math.min(Math.round(valueMs * 1000), LARGEST_US)
    this.#atMs = Math.round(now)
  }
}

/** At least 1: with nothing to multiply, requests in flight would not count as load. */
function decayed(valueUs: number, elapsedMs: number): number {
  // Of what is positive `| 0` rounds as Math.floor does, and lets V8 divide whole numbers: together 9 of a pick's 64 ns.
  const steps = (elapsedMs / STEP_MS) | 0
  return (valueUs * (FINE[steps & 255] ?? 0) * (COARSE[steps >> 8] ?? 0)) | 0 || 1
}
