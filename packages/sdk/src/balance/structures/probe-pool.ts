/** No endpoint in the pool. */
export const NONE = -1

/**
 * The last word of a few endpoints on their load, at most one of each. Slots are in no order; every operation is
 * O(size of the pool), and allocates nothing.
 */
export class ProbePool {
  /** By slot: the endpoint's index, its requests in flight, its latency, when it said so, and how often it may be used. */
  readonly #endpoints: Int32Array
  readonly #inflight: Int32Array
  readonly #latencies: Int32Array
  readonly #times: Float64Array
  readonly #uses: Float64Array
  #size = 0

  constructor(capacity: number) {
    this.#endpoints = new Int32Array(capacity)
    this.#inflight = new Int32Array(capacity)
    this.#latencies = new Int32Array(capacity)
    this.#times = new Float64Array(capacity)
    this.#uses = new Float64Array(capacity)
  }

  get size(): number {
    return this.#size
  }

  endpoint(slot: number): number {
    return this.#endpoints[slot] ?? NONE
  }

  /** Requests in flight there, those that we have sent since included. */
  inflight(slot: number): number {
    return this.#inflight[slot] ?? 0
  }

  latencyUs(slot: number): number {
    return this.#latencies[slot] ?? 0
  }

  /** Replaces the endpoint's previous report, else the oldest one where the pool is full. */
  add(endpoint: number, inflight: number, latencyUs: number, now: number, uses: number): void {
    let slot = this.#find(endpoint)
    if (slot === NONE) slot = this.#size < this.#endpoints.length ? this.#size++ : this.oldest()
    this.#endpoints[slot] = endpoint
    this.#inflight[slot] = inflight
    this.#latencies[slot] = latencyUs
    this.#times[slot] = now
    this.#uses[slot] = uses
  }

  /** Counts a request that is about to go there; after the last use the slot is free. */
  use(slot: number): void {
    this.#inflight[slot] = this.inflight(slot) + 1
    const uses = (this.#uses[slot] ?? 0) - 1
    this.#uses[slot] = uses
    if (uses <= 0) this.remove(slot)
  }

  /** The last slot takes the place of this one. */
  remove(slot: number): void {
    const last = --this.#size
    this.#endpoints[slot] = this.#endpoints[last] ?? NONE
    this.#inflight[slot] = this.#inflight[last] ?? 0
    this.#latencies[slot] = this.#latencies[last] ?? 0
    this.#times[slot] = this.#times[last] ?? 0
    this.#uses[slot] = this.#uses[last] ?? 0
  }

  /** Forgets what was said before `time`. */
  expire(time: number): void {
    for (let slot = this.#size - 1; slot >= 0; slot--) if ((this.#times[slot] ?? 0) < time) this.remove(slot)
  }

  /** `NONE` where it is empty. */
  oldest(): number {
    let oldest = NONE
    for (let slot = 0; slot < this.#size; slot++) {
      if (oldest === NONE || (this.#times[slot] ?? 0) < (this.#times[oldest] ?? 0)) oldest = slot
    }
    return oldest
  }

  #find(endpoint: number): number {
    for (let slot = 0; slot < this.#size; slot++) if (this.#endpoints[slot] === endpoint) return slot
    return NONE
  }
}
