import type { Random } from '../../random.js'
import { LevelQueues } from '../structures/inflight-queues.js'
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
  /** For retries: who fails fast is idle, and stands in the queues beside others that do. */
  readonly #elsewhere: Picker<E>
  /** Where virtual time stands: the turn that was taken last. */
  #now = 0

  constructor(groups: readonly Peers<E>[], elsewhere: Picker<E>) {
    this.#groups = groups
    this.#elsewhere = elsewhere
  }

  pick(context: PickContext<E>): E | undefined {
    if (context.tried.length > 0) return this.#elsewhere.pick(context)
    const least = this.#least(context)
    if (least === undefined) return undefined
    // From now on, not from its last turn: what was busy for long has no claim to a burst of turns.
    if (least.turn > this.#now) this.#now = least.turn
    least.turn = this.#now + least.pace
    return least.take()
  }

  close(): void {
    for (const group of this.#groups) group.close()
    this.#elsewhere.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    report.step('the least loaded of all; of equals, the one whose turn it is by weight')
    for (const group of this.#groups) group.tell(context, report)
    return this.pick(context)
  }

  #least(context: PickContext<E>): Peers<E> | undefined {
    let least: Peers<E> | undefined
    for (const group of this.#groups) {
      group.reset()
      if (least === undefined || group.before(least)) least = group
    }
    // Usually the least loaded is eligible; no other endpoint has been touched then, which would mean a wait for memory.
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
  /** When the next turn of these among equally loaded groups comes, in virtual time. */
  turn = 0
  /** Virtual time between two turns: less for more weight in sum. */
  readonly pace: number
  readonly #weight: number
  readonly #endpoints: readonly E[]
  readonly #queues: LevelQueues
  /** By member: what hears of its load. */
  readonly #moved: (() => void)[] = []
  /** The candidate of this pick, and its requests in flight. */
  #member = -1
  #inflight = 0

  constructor(weight: number, endpoints: readonly E[], random: Random) {
    // Who is first among equals is left to chance, or all clients would begin with the same endpoint.
    const shift = Math.floor(random.next() * endpoints.length)
    this.#endpoints = [...endpoints.slice(shift), ...endpoints.slice(0, shift)]
    this.#weight = weight
    this.pace = 1 / (weight * endpoints.length)
    this.turn = random.next() * this.pace
    const queues = new LevelQueues(this.#endpoints.map(({ inflight }) => inflight))
    this.#queues = queues
    this.#endpoints.forEach((endpoint, member) => {
      const moved = (): void => queues.move(member, endpoint.inflight)
      this.#moved.push(moved)
      endpoint.onLoadChange(moved)
    })
  }

  close(): void {
    this.#endpoints.forEach((endpoint, member) => {
      const moved = this.#moved[member]
      if (moved !== undefined) endpoint.offLoadChange(moved)
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

  /** Finds the least loaded eligible member; passes by those that are not. */
  look(context: PickContext<E>): boolean {
    for (let level = this.#queues.lowest; level < this.#queues.height; level++) {
      for (let member = this.#queues.first(level); member >= 0; member = this.#queues.after(member)) {
        const endpoint = this.#endpoints[member]
        if (endpoint === undefined || !eligible(endpoint, context)) continue
        this.#member = member
        this.#inflight = level
        return true
      }
    }
    return false
  }

  /** Reports the candidate that this pick would find here. */
  tell(context: PickContext<E>, report: PickReport<E>): void {
    const endpoint = this.look(context) ? this.#endpoints[this.#member] : undefined
    if (endpoint !== undefined) report.compared(endpoint, this.#inflight / this.#weight, 'inflight / weight')
  }

  /** Is the candidate here less loaded than there? Of equals, the one whose turn it is. */
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
