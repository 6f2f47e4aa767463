import { requireKnown } from '../../validation/known-names.js'
import { invalidOption, requireCount } from '../../validation/invalid-option.js'
import { LONGEST_MS } from '../../validation/schemas.js'
import type { Random } from '../../random.js'
import { BackendLoad } from '../../orca/backend-load.js'
import { explainPick } from '../explain-pick.js'
import type { PickReport } from '../picker.js'
import {
  registeredWeight,
  type Candidate,
  type Layer,
  type PickContext,
  type Picker,
  type WeightOf,
} from '../picker.js'
import { relativeWeights, sharesDiffer } from './relative-weights.js'
import { reportedWeight, type WeightRules } from './reported-weight.js'

/**
 * How `reportedWeights` makes weights of load reports. Names and defaults are those of gRPC's `weighted_round_robin`
 * (A58).
 */
export interface ReportedWeightsOptions {
  /**
   * How long an endpoint must have reported before its weight is its own, in milliseconds, again after a gap longer than
   * `expiryMs` and after it was out of use. Default 10,000.
   */
  readonly blackoutMs?: number | undefined
  /** How long a report stands, in milliseconds. Default 180,000. */
  readonly expiryMs?: number | undefined
  /** How often weights are made anew, in milliseconds; below 100 is 100, and the clock ticks once a second. Default 1,000. */
  readonly updateMs?: number | undefined
  /** For how much utilization it counts when every request fails, 0 or more; half for half of them. Default 1. */
  readonly errorPenalty?: number | undefined
}

// gRPC's lower limit (A58).
const SHORTEST_UPDATE_MS = 100

// Times are rounded to whole milliseconds, and a tick that came a little early must not have to wait for the next one.
const SLACK_MS = 20

// Shares that are nearer than this to what they should be are left as they are: reports are no more exact, and a new
// picker begins its order anew.
const MATERIAL = 0.05

/**
 * A layer that weighs endpoints by what they report of their own load: what serves more requests for its utilization gets
 * more. An endpoint without a weight of its own takes the mean of the others'; with fewer than two that have one,
 * Consul's weights stand. Servers report by a response header, see `reportLoad`.
 * Where a layer before it changes weights, these change in the same proportion.
 * Source: gRPC A58, Envoy `client_side_weighted_round_robin`.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { compose, createClient, reportedWeights } from '@fairlead/sdk'
 *
 * const orders = createClient('orders', {
 *   balancer: compose(reportedWeights({ errorPenalty: 2 }), 'least_request'),
 * })
 * ```
 */
export function reportedWeights(options: ReportedWeightsOptions = {}): Layer {
  requireKnown('reportedWeights', options, ['blackoutMs', 'expiryMs', 'updateMs', 'errorPenalty'])
  const { blackoutMs = 10_000, expiryMs = 180_000, updateMs = 1000, errorPenalty = 1 } = options
  requireCount('blackoutMs', blackoutMs, 0, LONGEST_MS)
  requireCount('expiryMs', expiryMs, 1, LONGEST_MS)
  requireCount('updateMs', updateMs, 0, LONGEST_MS)
  // Above a million nothing but the errors counts: a whole unit of load for one of a million requests.
  if (!(errorPenalty >= 0 && errorPenalty <= 1e6)) {
    throw invalidOption('errorPenalty', errorPenalty, 'a number from 0 to 1000000')
  }
  const rules = { blackoutMs, expiryMs, errorPenalty }
  const periodMs = Math.max(SHORTEST_UPDATE_MS, updateMs) - SLACK_MS
  return (next) =>
    <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf) =>
      new ReportedWeightsPicker(endpoints, rules, periodMs, weightOf, (weights) =>
        next(endpoints, random, weights),
      )
}

class ReportedWeightsPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #rules: WeightRules
  readonly #periodMs: number
  readonly #weightOf: WeightOf
  readonly #build: (weightOf: WeightOf) => Picker<E>
  #weighedAt = -Infinity
  /** How many have a weight of their own. */
  #known = 0
  /** What the inner picker was made of. */
  #weights: readonly number[]
  #inner: Picker<E>

  constructor(
    endpoints: readonly E[],
    rules: WeightRules,
    periodMs: number,
    weightOf: WeightOf,
    build: (weightOf: WeightOf) => Picker<E>,
  ) {
    this.#endpoints = endpoints
    this.#rules = rules
    this.#periodMs = periodMs
    this.#weightOf = weightOf
    this.#build = build
    for (const endpoint of endpoints) {
      endpoint.backendLoad ??= new BackendLoad()
      // From now on it is kept.
      endpoint.backendLoad.nonEmptySinceGap(rules.expiryMs)
    }
    // A new picker of endpoints that have reported for long must not begin without weights. It is not passed the time,
    // but the last report has it.
    const latest = endpoints.reduce((at, { backendLoad }) => Math.max(at, backendLoad?.nonEmptyAt ?? -1), -1)
    this.#weights = this.#weigh(latest)
    this.#inner = this.#buildInner()
  }

  pick(context: PickContext<E>): E | undefined {
    return this.#inner.pick(context)
  }

  refresh(now: number): void {
    if (now - this.#weighedAt >= this.#periodMs) {
      this.#weighedAt = now
      const weights = this.#weigh(now)
      if (sharesDiffer(this.#weights, weights, MATERIAL)) {
        this.#weights = weights
        const before = this.#inner
        this.#inner = this.#buildInner()
        before.close?.()
      }
    }
    this.#inner.refresh?.(now)
  }

  close(): void {
    this.#inner.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const all = this.#endpoints.length
    report.step(
      this.#known < 2
        ? `${this.#known} of ${all} endpoints have reported load for long enough: their weights in Consul stand`
        : `weights are by reported load, which ${this.#known} of ${all} endpoints have; the others get the mean`,
    )
    return explainPick(this.#inner, context, report)
  }

  #weigh(now: number): readonly number[] {
    const own = this.#endpoints.map((endpoint) => reportedWeight(endpoint, this.#rules, now))
    this.#known = own.filter((weight) => weight !== undefined).length
    const relative = relativeWeights(own)
    return this.#endpoints.map((endpoint, place) => {
      const given = this.#weightOf(endpoint)
      const weight = relative?.[place]
      return weight === undefined ? given : scaled(weight, given, registeredWeight(endpoint))
    })
  }

  #buildInner(): Picker<E> {
    const weights = new Map<Candidate, number>(
      this.#endpoints.map((endpoint, place) => [endpoint, this.#weights[place] ?? 1]),
    )
    return this.#build((endpoint) => weights.get(endpoint) ?? registeredWeight(endpoint))
  }
}

/** What a layer before made of Consul's weight, made of this one: a whole number, as all of them. */
function scaled(weight: number, given: number, registered: number): number {
  return given === registered ? weight : Math.max(1, Math.round((weight * given) / registered))
}
