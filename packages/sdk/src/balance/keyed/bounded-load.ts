import { invalidOption } from '../../validation/invalid-option.js'
import { scaled, type Random } from '../../random.js'
import { explainPick } from '../explain-pick.js'
import {
  eligible,
  type Candidate,
  type PickContext,
  type Picker,
  type PickReport,
  type WeightOf,
} from '../picker.js'

// At ten times the mean, the bound has hardly any effect.
const MAX_FACTOR = 10

// At most one of `factor` endpoints can be full: with 1.25, draws miss with 0.8, and 32 in a row in 0.8^32 = 0.1%.
const PROBES = 32

/** @throws FairleadError `INVALID_OPTION` unless it is a number from 1 to 10. */
export function requireBalanceFactor(factor: number | undefined): void {
  if (factor === undefined) return
  if (typeof factor === 'number' && factor >= 1 && factor <= MAX_FACTOR) return
  throw invalidOption('balanceFactor', factor, `a number from 1 to ${MAX_FACTOR}, such as 1.25`)
}

/** The picker of a policy by key, bounded where a factor is given. */
export function bounded<E extends Candidate>(
  picker: Picker<E>,
  endpoints: readonly E[],
  factor: number | undefined,
  random: Random,
  weightOf: WeightOf,
): Picker<E> {
  return factor === undefined ? picker : new BoundedPicker(picker, endpoints, factor, random, weightOf)
}

/**
 * Bounds what equal keys do to the load: takes the endpoint of a picker as long as that has no more than `factor` times
 * its share of the requests in flight, this one included; else another one, which the key decides as well.
 * Jumps at random instead of going to the next, which would load the neighbor of a full endpoint.
 * Expected O(1 / (factor - 1)) a pick once endpoints are full, and one look-up before.
 * Source: Mirrokni et al., Consistent Hashing with Bounded Loads (2017); the jumps: Chen et al., Revisiting Consistent
 * Hashing with Bounded Loads (arXiv 1908.08762), as in Envoy's `hash_balance_factor`.
 */
class BoundedPicker<E extends Candidate> implements Picker<E> {
  readonly #picker: Picker<E>
  readonly #endpoints: readonly E[]
  readonly #random: Random
  readonly #indices: ReadonlyMap<E, number>
  /** Requests in flight, by endpoint and in sum. */
  readonly #inflight: Int32Array
  #total = 0
  /** By endpoint: the listener of its load. */
  readonly #listeners: (() => void)[] = []
  /** How many of all requests in flight each may have. */
  readonly #limits: Float64Array

  constructor(
    picker: Picker<E>,
    endpoints: readonly E[],
    factor: number,
    random: Random,
    weightOf: WeightOf,
  ) {
    const weights = endpoints.map(weightOf)
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    this.#picker = picker
    this.#endpoints = endpoints
    this.#random = random
    this.#indices = new Map(endpoints.map((endpoint, index) => [endpoint, index]))
    this.#inflight = new Int32Array(endpoints.length)
    this.#limits = Float64Array.from(weights, (weight) => (factor * weight) / total)
    endpoints.forEach((endpoint, index) => {
      this.#count(index)
      const changed = (): void => this.#count(index)
      this.#listeners.push(changed)
      endpoint.onLoadChange(changed)
    })
  }

  pick(context: PickContext<E>): E | undefined {
    const endpoint = this.#picker.pick(context)
    if (endpoint === undefined || this.#hasRoom(this.#indices.get(endpoint) ?? 0)) return endpoint
    return this.#pickWithRoom(context)
  }

  close(): void {
    this.#endpoints.forEach((endpoint, index) => {
      const changed = this.#listeners[index]
      if (changed !== undefined) endpoint.offLoadChange(changed)
    })
    this.#picker.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const endpoint = explainPick(this.#picker, context, report)
    if (endpoint === undefined || this.#hasRoom(this.#indices.get(endpoint) ?? 0)) return endpoint
    report.skipped(endpoint, `full: it has ${endpoint.inflight} of ${this.#total} requests in flight`)
    report.step('one with room, which the key decides as well')
    return this.#pickWithRoom(context)
  }

  #count(index: number): void {
    const inflight = this.#endpoints[index]?.inflight ?? 0
    this.#total += inflight - (this.#inflight[index] ?? 0)
    this.#inflight[index] = inflight
  }

  /** Below the bound, which is rounded up: each may have one request. */
  #hasRoom(index: number): boolean {
    return (this.#inflight[index] ?? 0) < Math.ceil((this.#total + 1) * (this.#limits[index] ?? 0))
  }

  #pickWithRoom(context: PickContext<E>): E | undefined {
    const { hash } = context
    // A sequence of its own for each key; zero is the fixed point of xorshift32.
    let state = (hash === undefined ? this.#random.bits() : hash.high ^ hash.low) || 1
    for (let probe = 0; probe < PROBES; probe++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      const index = scaled(state, this.#endpoints.length)
      const endpoint = this.#endpoints[index]
      if (endpoint !== undefined && this.#hasRoom(index) && eligible(endpoint, context)) return endpoint
    }
    return this.#leastLoaded(context)
  }

  /** Of all that are eligible, as the last resort: all of them are full where others, which are not, have the room. */
  #leastLoaded(context: PickContext<E>): E | undefined {
    let least = -1
    for (let index = 0; index < this.#endpoints.length; index++) {
      const endpoint = this.#endpoints[index]
      if (endpoint === undefined || !eligible(endpoint, context)) continue
      if (least < 0 || this.#isLessLoaded(index, least)) least = index
    }
    return this.#endpoints[least]
  }

  #isLessLoaded(index: number, than: number): boolean {
    return (
      (this.#inflight[index] ?? 0) * (this.#limits[than] ?? 0) <
      (this.#inflight[than] ?? 0) * (this.#limits[index] ?? 0)
    )
  }
}
