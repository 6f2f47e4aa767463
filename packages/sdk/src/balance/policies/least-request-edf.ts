import { requireKnown } from '../../validation/known-names.js'
import { invalidOption } from '../../validation/invalid-option.js'
import type { Random } from '../../random.js'
import type { PickReport } from '../picker.js'
import {
  eligible,
  type Balancer,
  type Candidate,
  type PickContext,
  type Picker,
  type WeightOf,
} from '../picker.js'
import { TurnHeap } from '../structures/turn-heap.js'

/** How `weightedLeastRequest` balances weight against requests in flight. */
export interface WeightedLeastRequestOptions {
  /**
   * How much requests in flight count against an endpoint: its weight is divided by (requests in flight + 1) to the
   * power of this. 0: not at all, which is weighted round robin; more than 1: whatever is busy is all but avoided.
   * 0 or more. Default 1, as Envoy's.
   */
  readonly activeRequestBias?: number | undefined
}

// No endpoint waits longer for its turn than one of weight 1 with a million requests in flight, at a bias of 1: a larger
// bias would soon have no number for it.
const MAX_PACE = 2 ** 20
// Doubles distinguish turns by 2^-32 up to here, where the shortest pace, of the largest weight, is 1 / 65,535.
const REBASE_AT = 2 ** 20

/**
 * Weighted least request, as Envoy has it for unequal weights: endpoints take turns in proportion to weight, and what is
 * busy when it has its turn waits longer for the next one.
 * When: weights differ, requests are of uneven cost, and Envoy is to be matched; of equal weights it is a round robin
 * that avoids what is busy. When not: many clients with little load each, so that a client rarely has requests in flight,
 * or requests that differ by orders of magnitude: load is read once a turn, where `least_request` reads it at every pick. Under load and at a bias of 1 shares grow with the square root of the weight, not with the weight:
 * requests in flight, n, come to n (n + 1) in proportion to it.
 * An endpoint that is not eligible when its turn comes is skipped, continues at its own pace, and does not get the missed
 * turns later.
 * O(log n) a pick; O(m log n) with m in a row that are not eligible.
 * Source: Envoy `least_request_lb.cc` and `edf_scheduler.h`, the formula of `active_request_bias`.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { createClient, weightedLeastRequest } from '@fairlead/sdk'
 *
 * const orders = createClient('orders', { balancer: weightedLeastRequest({ activeRequestBias: 0.5 }) })
 * ```
 */
export function weightedLeastRequest(options: WeightedLeastRequestOptions = {}): Balancer {
  requireKnown('weightedLeastRequest', options, ['activeRequestBias'])
  const { activeRequestBias: bias = 1 } = options
  if (!(typeof bias === 'number' && bias >= 0 && bias < Infinity)) {
    throw invalidOption('activeRequestBias', bias, 'a number of 0 or more, such as 1')
  }
  return <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> =>
    new EarliestTurnPicker(endpoints, endpoints.map(weightOf), bias, random)
}

class EarliestTurnPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #weights: Float64Array
  readonly #bias: number
  readonly #heap: TurnHeap

  constructor(endpoints: readonly E[], weights: readonly number[], bias: number, random: Random) {
    this.#endpoints = endpoints
    this.#weights = Float64Array.from(weights)
    this.#bias = bias
    // Each at its own place within its pace, or clients that start together would go in step.
    this.#heap = new TurnHeap(
      endpoints.map((endpoint, member) => random.next() * this.#pace(member, endpoint.inflight)),
    )
  }

  pick(context: PickContext<E>): E | undefined {
    const heap = this.#heap
    for (let member = heap.member; member >= 0; member = heap.member) {
      const endpoint = this.#endpoints[member]
      if (endpoint !== undefined && eligible(endpoint, context)) return this.#take(member, endpoint)
      heap.setAside()
    }
    // No turn has been taken: all are put back where they were.
    while (heap.asideMember >= 0) heap.putBack(heap.asideTurn)
    return undefined
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    report.step('the next eligible in rotation by weight, deferred by requests in flight')
    return this.pick(context)
  }

  #take(member: number, endpoint: E): E {
    const heap = this.#heap
    const now = heap.turn
    heap.putOff(now + this.#pace(member, endpoint.inflight))
    if (heap.asideMember >= 0) this.#bringOn(now)
    if (now >= REBASE_AT) heap.rebase(now)
    return endpoint
  }

  /** What was set aside, to its first turn after `now`, as if it had been put off each time that its turn came. */
  #bringOn(now: number): void {
    const heap = this.#heap
    for (let member = heap.asideMember; member >= 0; member = heap.asideMember) {
      const pace = this.#pace(member, this.#endpoints[member]?.inflight ?? 0)
      const missed = Math.floor((now - heap.asideTurn) / pace) + 1
      heap.putBack(heap.asideTurn + missed * pace)
    }
  }

  /** How far apart the turns of a member are, at its present load. */
  #pace(member: number, inflight: number): number {
    const bias = this.#bias
    const slowness = bias === 1 ? inflight + 1 : bias === 0 ? 1 : (inflight + 1) ** bias
    const pace = slowness / (this.#weights[member] ?? 1)
    return pace > 0 && pace < MAX_PACE ? pace : MAX_PACE
  }
}
