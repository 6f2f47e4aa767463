import { requireKnown } from '../../validation/known-names.js'
import { invalidOption, requireCount } from '../../validation/invalid-option.js'
import { LONGEST_MS } from '../../validation/schemas.js'
import type { Random } from '../../random.js'
import { BackendLoad } from '../../orca/backend-load.js'
import { explainPick } from '../explain-pick.js'
import { peakEwma } from './load.js'
import type { PickReport } from '../picker.js'
import {
  eligible,
  type Balancer,
  type Candidate,
  type PickContext,
  type Picker,
  type WeightOf,
} from '../picker.js'
import { powerOfTwoChoices } from './power-of-two-choices.js'
import { NONE, ProbePool } from '../structures/probe-pool.js'
import { Quantile } from '../structures/quantile.js'
import { WeightedIndex } from '../structures/weighted-index.js'

/** How `prequal` probes endpoints, and how it uses the reports. Defaults are the paper's, where it has any. */
export interface PrequalOptions {
  /** The path of load probes, as of `reportLoad`. Default `/.well-known/endpoint-load`. */
  readonly probePath?: string | undefined
  /**
   * Reports for each request, 0 to 10, a fraction too. One that comes with a response counts; the others are probes.
   * Default 3.
   */
  readonly probesPerRequest?: number | undefined
  /** How many reports are kept, a whole number, 2 to 256. Default 16. */
  readonly poolSize?: number | undefined
  /** How long a report is of use, in milliseconds. Default 1,000. */
  readonly maxAgeMs?: number | undefined
  /** Reports discarded for each request, the worst and the oldest alternately, 0 to 10. Default 1. */
  readonly removalsPerRequest?: number | undefined
  /**
   * An endpoint is hot with more requests in flight than this part of reports have, 0 to 1: 0 goes by requests in flight
   * alone, 1 by latency alone. Default 2^-0.25, 0.84.
   */
  readonly hotQuantile?: number | undefined
}

/** An endpoint's reports are used so often that the pool is never empty, and by this much more: the paper's delta. */
const SPARE = 1

// The paper leaves open how many reports the distribution is estimated from. 128 of them have 20 above the quantile.
const WINDOW = 128
// An endpoint with a thousand requests in flight is hot.
const LARGEST_INFLIGHT = 1023
// Latency is kept in 32 bits of microseconds: 35 minutes.
const LARGEST_US = 2 ** 31 - 1

/**
 * Prequal: takes the endpoint that reports to be fastest, of some that have just been probed. Endpoints with many
 * requests in flight for what is usual are hot; the cold one with the least latency is taken, and where all are hot, the
 * one with the fewest in flight (hot-cold lexicographic). Endpoints are probed beside the requests, never before one, and
 * at random, by weight; reports in their responses count as well.
 * When: many clients share machines that others use too, so that what one client has seen of an endpoint says little of
 * its load; near or above capacity it keeps the tail and the errors low. When not: servers that report no load, or
 * requests so cheap that a probe costs as much; use `peak_ewma`.
 * Servers have to report with `reportLoad`, or in its format. Until two have, a request is balanced by `peak_ewma`, where
 * the paper has chance. Where an endpoint fails requests fast, its latency is that of as many attempts as one success
 * takes. With no more endpoints than the pool holds, no report is discarded before it expires.
 * O(size of the pool); O(n) for a change of the set.
 * Source: Wydrowski et al., Load is not what you should balance: Introducing Prequal (NSDI 2024), section 4, with its
 * defaults.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { createClient, prequal } from '@fairlead/sdk'
 *
 * const search = createClient('search', { balancer: prequal({ probesPerRequest: 2 }) })
 * ```
 */
export function prequal(options: PrequalOptions = {}): Balancer {
  requireKnown('prequal', options, [
    'probePath',
    'probesPerRequest',
    'poolSize',
    'maxAgeMs',
    'removalsPerRequest',
    'hotQuantile',
  ])
  const { probePath = '/.well-known/endpoint-load', poolSize = 16, maxAgeMs = 1000 } = options
  const { probesPerRequest = 3, removalsPerRequest = 1, hotQuantile = 2 ** -0.25 } = options
  if (typeof probePath !== 'string' || !probePath.startsWith('/')) {
    throw invalidOption('probePath', probePath, 'a path that begins with /')
  }
  requireCount('poolSize', poolSize, 2, 256)
  requireCount('maxAgeMs', maxAgeMs, 1, LONGEST_MS)
  requireFrom0('probesPerRequest', probesPerRequest, 10)
  requireFrom0('removalsPerRequest', removalsPerRequest, 10)
  requireFrom0('hotQuantile', hotQuantile, 1)
  const rules = { probePath, poolSize, maxAgeMs, probesPerRequest, removalsPerRequest, hotQuantile }
  return <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> =>
    new PrequalPicker(endpoints, rules, random, weightOf)
}

type Rules = { readonly [K in keyof PrequalOptions]-?: NonNullable<PrequalOptions[K]> }

class PrequalPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #rules: Rules
  readonly #random: Random
  /** What the weights of endpoints are, relative to their mean. */
  readonly #weights: Float64Array
  readonly #index: WeightedIndex
  readonly #pool: ProbePool
  readonly #hot: Quantile
  readonly #unknown: Picker<E>
  /** How often a report may be used, and how many are discarded for each request. */
  readonly #uses: number
  readonly #removals: number
  /** Probes and removals that are due: fractions of them add up. */
  #dueProbes = 0
  /** By endpoint: the listener of its reports. */
  readonly #listeners: (() => void)[] = []
  #dueRemovals = 0
  #removesOldest = false

  constructor(endpoints: readonly E[], rules: Rules, random: Random, weightOf: WeightOf) {
    const weights = endpoints.map(weightOf)
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
    this.#endpoints = endpoints
    this.#rules = rules
    this.#random = random
    this.#weights = Float64Array.from(weights, (weight) => weight / mean)
    this.#index = new WeightedIndex(weights)
    this.#pool = new ProbePool(rules.poolSize)
    this.#hot = new Quantile(rules.hotQuantile, WINDOW, LARGEST_INFLIGHT)
    this.#unknown = powerOfTwoChoices(peakEwma)(endpoints, random, weightOf)
    const crowded = endpoints.length > rules.poolSize
    this.#uses = crowded ? usesOf(rules, endpoints.length) : Infinity
    this.#removals = crowded ? rules.removalsPerRequest : 0
    endpoints.forEach((endpoint, index) => {
      const load = (endpoint.backendLoad ??= new BackendLoad())
      const reported = (): void => this.#take(index, load)
      this.#listeners.push(reported)
      load.onReport(reported)
    })
  }

  pick(context: PickContext<E>): E | undefined {
    const pool = this.#pool
    pool.expire(context.now - this.#rules.maxAgeMs)
    this.#discard()
    const slot = this.#best(context)
    const endpoint = slot === NONE ? this.#unknown.pick(context) : this.#use(slot)
    this.#probe(endpoint)
    return endpoint
  }

  close(): void {
    this.#endpoints.forEach(({ backendLoad }, index) => {
      const reported = this.#listeners[index]
      if (reported !== undefined) backendLoad?.offReport(reported)
    })
    this.#unknown.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const pool = this.#pool
    pool.expire(context.now - this.#rules.maxAgeMs)
    const slot = this.#best(context)
    if (slot === NONE) {
      report.step('fewer than two eligible endpoints have reported load of late: as peak_ewma would')
      return explainPick(this.#unknown, context, report)
    }
    report.step(
      `of those that have reported load, the fastest with no more than ${this.#hot.value} in flight`,
    )
    for (let other = 0; other < pool.size; other++) {
      const endpoint = this.#endpoints[pool.endpoint(other)]
      if (endpoint === undefined) continue
      if (this.#isHot(other)) report.skipped(endpoint, `hot, with ${pool.inflight(other)} in flight`)
      else report.compared(endpoint, pool.latencyUs(other) / 1000, 'reported latency in ms')
    }
    return this.#use(slot)
  }

  #use(slot: number): E | undefined {
    const endpoint = this.#endpoints[this.#pool.endpoint(slot)]
    this.#pool.use(slot)
    return endpoint
  }

  /** An endpoint has reported. */
  #take(index: number, { inflight, latencyUs, qps, eps, reportedAt }: BackendLoad): void {
    if (inflight < 0 || latencyUs < 0) return
    const relative = Math.ceil(inflight / (this.#weights[index] ?? 1))
    this.#hot.add(relative)
    // What one success takes; a server that fails nearly all is as slow as a hundred attempts.
    const success = qps > 0 ? Math.max(0.01, 1 - eps / qps) : 1
    const latency = Math.min(LARGEST_US, Math.ceil(latencyUs / success))
    this.#pool.add(index, relative, latency, reportedAt, this.#drawUses())
  }

  /** The slot to use; NONE where fewer than two are eligible. */
  #best(context: PickContext<E>): number {
    const pool = this.#pool
    let best = NONE
    let count = 0
    for (let slot = 0; slot < pool.size; slot++) {
      const endpoint = this.#endpoints[pool.endpoint(slot)]
      if (endpoint === undefined || !eligible(endpoint, context)) continue
      count++
      if (best === NONE || this.#isBetter(slot, best)) best = slot
    }
    return count < 2 ? NONE : best
  }

  /** Cold before hot; of the cold the fastest, of the hot the one with the fewest in flight. */
  #isBetter(slot: number, than: number): boolean {
    const hot = this.#isHot(slot)
    if (hot !== this.#isHot(than)) return !hot
    const pool = this.#pool
    return hot ? pool.inflight(slot) < pool.inflight(than) : pool.latencyUs(slot) < pool.latencyUs(than)
  }

  #isHot(slot: number): boolean {
    return this.#pool.inflight(slot) > this.#hot.value
  }

  /** Otherwise reports that are never the best would fill the pool. */
  #discard(): void {
    const pool = this.#pool
    this.#dueRemovals += this.#removals
    for (; this.#dueRemovals >= 1; this.#dueRemovals--) {
      if (pool.size === 0) continue
      pool.remove(this.#removesOldest ? pool.oldest() : this.#worst())
      this.#removesOldest = !this.#removesOldest
    }
  }

  /** Eligible or not: reports of endpoints that are not eligible may be discarded too. */
  #worst(): number {
    let worst = 0
    for (let slot = 1; slot < this.#pool.size; slot++) if (this.#isBetter(worst, slot)) worst = slot
    return worst
  }

  #probe(picked: E | undefined): void {
    const { probesPerRequest, probePath } = this.#rules
    // The response will bring one, where the endpoint has reported before.
    const coming = (picked?.backendLoad?.reportedAt ?? -1) >= 0 ? 1 : 0
    this.#dueProbes += Math.max(0, probesPerRequest - coming)
    for (; this.#dueProbes >= 1; this.#dueProbes--) {
      const endpoint = this.#endpoints[this.#index.at(this.#random.bits())]
      if (endpoint?.available === true) endpoint.probe(probePath)
    }
  }

  /** A fraction of a use is one with that chance. */
  #drawUses(): number {
    const uses = this.#uses
    if (uses === Infinity) return uses
    return Math.floor(uses) + (this.#random.next() < uses % 1 ? 1 : 0)
  }
}

/**
 * The paper's b_reuse: as many uses as make up for discarded reports, and for probes of endpoints that are in the pool already.
 * Where reports are too rare for that, unlimited until they expire.
 */
function usesOf({ poolSize, probesPerRequest, removalsPerRequest }: Rules, endpoints: number): number {
  const net = (1 - poolSize / endpoints) * probesPerRequest - removalsPerRequest
  return net <= 0 ? Infinity : Math.max(1, (1 + SPARE) / net)
}

function requireFrom0(name: string, value: number, most: number): void {
  if (typeof value === 'number' && value >= 0 && value <= most) return
  throw invalidOption(name, value, `a number from 0 to ${most}`)
}
