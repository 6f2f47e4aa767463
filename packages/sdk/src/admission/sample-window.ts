/** At least so long, in milliseconds: Envoy's `concurrency_update_interval`. */
const SHORTEST_MS = 100

/** Long enough for the calls of a new limit to be answered, but no longer than this: Netflix's `maxWindowTime`. */
const LONGEST_MS = 1000

/** At least so many: Netflix's `windowSize`. */
const FEWEST = 10

/** The last so many are kept, which is enough for a median. */
const KEPT = 128

/** The latencies of calls that ended within a while, and their median: a few slow ones of many do not move it. */
export class SampleWindow {
  readonly #samples = new Float64Array(KEPT)
  #count = 0
  #endsAt = -Infinity
  /** The most that were in flight. */
  inflight = 0

  /** Begins anew. @param usualMs Of this latency calls are. */
  begin(now: number, usualMs: number): void {
    this.#count = 0
    this.inflight = 0
    this.#endsAt = now + Math.min(Math.max(2 * usualMs, SHORTEST_MS), LONGEST_MS)
  }

  add(sampleMs: number, inflight: number, now: number): void {
    if (this.#endsAt === -Infinity) this.begin(now, sampleMs)
    this.#samples[this.#count % KEPT] = sampleMs
    this.#count++
    this.inflight = Math.max(this.inflight, inflight)
  }

  isWhole(now: number): boolean {
    return now >= this.#endsAt && this.#count >= FEWEST
  }

  /** Of at least one. */
  median(): number {
    const sorted = this.#samples.slice(0, Math.min(this.#count, KEPT)).sort()
    return sorted[sorted.length >> 1] ?? 0
  }
}
