import type { Random } from '../../random.js'
import { InflightQueues } from '../structures/inflight-queues.js'
import { leastRequest } from './load.js'
import {
  eligible,
  type Candidate,
  type PickContext,
  type Picker,
  type PickReport,
  type WeightOf,
} from '../picker.js'
import { powerOfTwoChoices } from './power-of-two-choices.js'

/**
 * Least connections, exact: the endpoint with the fewest requests in flight for its weight. Ties, such as all
 * idle, go round in proportion to weight. A retry goes to the less loaded of two at random.
 * When: long or uneven requests and a set small enough that one client sees most of the load.
 * When not: many clients of one service (all of them run to the same idle endpoint); use `least_request`.
 * O(number of different weights) a pick, whatever the number of endpoints; O(1) for a request that begins or ends.
 * Source: nginx `least_conn` (connections / weight, then weighted round robin).
 */
export function leastConnections<E extends Candidate>(
  endpoints: readonly E[],
  random: Random,
  weightOf: WeightOf,
): Picker<E> {
  const byWeight = new Map<number, E[]>()
  for (const endpoint of endpoints) {
    const weight = weightOf(endpoint)
    const peers = byWeight.get(weight)
    if (peers === undefined) byWeight.set(weight, [endpoint])
    else peers.push(endpoint)
  }
  const groups = [...byWeight].map(([weight, peers]) => new Peers(weight, peers, random))
  return new LeastConnectionsPicker(groups, powerOfTwoChoices(leastRequest)(endpoints, random, weightOf))
}

class LeastConnectionsPicker<E extends Candidate> implements Picker<E> {
  readonly #groups: readonly Peers<E>[]
  /** For retries: an endpoint that fails fast is idle, and is in the queues next to others that fail fast. */
  readonly #elsewhere: Picker<E>
  /** The current virtual time: the last turn that was taken. */
  #now = 0

  constructor(groups: readonly Peers<E>[], elsewhere: Picker<E>) {
    this.#groups = groups
    this.#elsewhere = elsewhere
  }

  pick(context: PickContext<E>): E | undefined {
    if (context.tried.length > 0) return this.#elsewhere.pick(context)
    const least = this.#least(context)
    if (least === undefined) return undefined
    // From now on, not from its last turn: a group that was busy for long must not get a burst of turns.
    if (least.turn > this.#now) this.#now = least.turn
    least.turn = this.#now + least.pace
    return least.take()
  }

  close(): void {
    for (const group of this.#groups) group.close()
    this.#elsewhere.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    report.step('the least loaded of all; ties in weighted rotation')
    for (const group of this.#groups) group.report(context, report)
    return this.pick(context)
  }

  #least(context: PickContext<E>): Peers<E> | undefined {
    let least: Peers<E> | undefined
    for (const group of this.#groups) {
      group.reset()
      if (least === undefined || group.before(least)) least = group
    }
    // Usually the least loaded is eligible; no other endpoint is read then, which would wait for memory.
    return least?.settle(context) === true ? least : this.#leastEligible(context)
  }

  #leastEligible(context: PickContext<E>): Peers<E> | undefined {
    let least: Peers<E> | undefined
    for (const group of this.#groups) {
      if (!group.look(context)) continue
      if (least === undefined || group.before(least)) least = group
    }
    return least
  }
}

/** Endpoints of one weight, in queues by requests in flight, so that among them a tie goes round. */
class Peers<E extends Candidate> {
  /** The next turn of this group among equally loaded ones, in virtual time. */
  turn = 0
  /** Virtual time between two turns: less for more weight in sum. */
  readonly pace: number
  readonly #weight: number
  readonly #endpoints: readonly E[]
  readonly #queues: InflightQueues
  /** By member: the listener of its load. */
  readonly #listeners: (() => void)[] = []
  /** The candidate of this pick, and its requests in flight. */
  #member = -1
  #inflight = 0

  constructor(weight: number, endpoints: readonly E[], random: Random) {
    // The first of equals is random, or all clients would begin with the same endpoint.
    const shift = Math.floor(random.next() * endpoints.length)
    this.#endpoints = [...endpoints.slice(shift), ...endpoints.slice(0, shift)]
    this.#weight = weight
    this.pace = 1 / (weight * endpoints.length)
    this.turn = random.next() * this.pace
    const queues = new InflightQueues(this.#endpoints.map(({ inflight }) => inflight))
    this.#queues = queues
    this.#endpoints.forEach((endpoint, member) => {
      const onChange = (): void => queues.move(member, endpoint.inflight)
      this.#listeners.push(onChange)
      endpoint.onLoadChange(onChange)
    })
  }

  close(): void {
    this.#endpoints.forEach((endpoint, member) => {
      const listener = this.#listeners[member]
      if (listener !== undefined) endpoint.offLoadChange(listener)
    })
  }

  /** Takes the first of the least loaded for the candidate, eligible or not. */
  reset(): void {
    this.#inflight = this.#queues.lowest
  }

  /** Is the first of the least loaded eligible? Then it is the candidate. */
  settle(context: PickContext<E>): boolean {
    this.#member = this.#queues.first(this.#inflight)
    const endpoint = this.#endpoints[this.#member]
    return endpoint !== undefined && eligible(endpoint, context)
  }

  /** Finds the least loaded eligible member; skips those that are not. */
  look(context: PickContext<E>): boolean {
    for (let inflight = this.#queues.lowest; inflight < this.#queues.height; inflight++) {
      for (let member = this.#queues.first(inflight); member >= 0; member = this.#queues.after(member)) {
        const endpoint = this.#endpoints[member]
        if (endpoint === undefined || !eligible(endpoint, context)) continue
        this.#member = member
        this.#inflight = inflight
        return true
      }
    }
    return false
  }

  /** Reports the candidate that this pick would find here. */
  report(context: PickContext<E>, report: PickReport<E>): void {
    const endpoint = this.look(context) ? this.#endpoints[this.#member] : undefined
    if (endpoint !== undefined) report.compared(endpoint, this.#inflight / this.#weight, 'inflight / weight')
  }

  /** Is the candidate here less loaded than there? Ties are broken by turn. */
  before(other: Peers<E>): boolean {
    // Load is requests / weight. Multiplied out, so that equal loads are equal, to the last bit.
    const own = this.#inflight * other.#weight
    const others = other.#inflight * this.#weight
    return own < others || (own === others && this.turn < other.turn)
  }

  /** The candidate; the next pick of the same load takes another. */
  take(): E | undefined {
    this.#queues.move(this.#member, this.#inflight)
    return this.#endpoints[this.#member]
  }
}
