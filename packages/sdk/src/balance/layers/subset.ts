import { requireKnown } from '../../validation/known-names.js'
import { Xxh64 } from '../../hashing/xxh64.js'
import { invalidOption } from '../../validation/invalid-option.js'
import { below, type Random } from '../../random.js'
import { explainPick } from '../explain-pick.js'
import {
  scanFrom,
  type Balancer,
  type Candidate,
  type Layer,
  type PickContext,
  type Picker,
} from '../picker.js'
import type { PickReport, WeightOf } from '../picker.js'
import { subsetOf } from './subset-window.js'

/** Which of the clients of a service this one is. */
export type SubsetOptions = {
  /** How many endpoints this client uses, a whole number, 1 or more; of fewer it uses all. 20 to 100 are usual. */
  readonly size: number
} & (
  | {
      /** Its number among all clients, from 0: the load is even, to the few percent that the halves differ by. */
      readonly index: number
      /** How many clients there are; about as many will do. */
      readonly of: number
      /** Not given: its number says which it is. */
      readonly id?: undefined
    }
  | {
      /** A name that no other client has, such as that of its host: the load is as even as chance makes it. */
      readonly id: string
      /** Not given: its name says which it is. */
      readonly index?: undefined
      /** Not given, as `index`. */
      readonly of?: undefined
    }
)

/**
 * Subsetting: of a large service each client uses a few endpoints, always the same, and all clients together use all of
 * them about equally.
 * When: so many clients and instances that a connection of each to each is too many, from some hundreds of either on.
 * When not: few clients, which would leave instances without any; or keys that all clients have to send to one place.
 * A change of the set by one instance changes a client's subset by one at most, as long as that is less than half of
 * all. Where none of it is eligible, the others are used. O(1) beside the policy; O(n log n) for a change of the set.
 * Source: the even places are those of Finagle's deterministic aperture, the even shares those of the deterministic
 * subsets of Google's Site Reliability Engineering, chapter 20; that one change moves one is our own, see
 * `subset-window.ts`. gRPC's random subsets (A68) move as few, with `id`'s evenness.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { compose, createClient, subset } from '@fairlead/sdk'
 *
 * const index = Number(process.env['NOMAD_ALLOC_INDEX'] ?? 0)
 * const orders = createClient('orders', {
 *   balancer: compose(subset({ size: 20, index, of: 300 }), 'peak_ewma'),
 * })
 * ```
 */
export function subset(options: SubsetOptions): Layer {
  requireKnown('subset', options, ['size', 'id', 'index', 'of'])
  const { size } = options
  if (!Number.isInteger(size) || size < 1) throw invalidOption('size', size, 'a whole number, 1 or more')
  const place = placeOf(options)
  return (next: Balancer): Balancer =>
    <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> => {
      if (endpoints.length <= size) return next(endpoints, random, weightOf)
      const { members, others } = subsetOf(endpoints, size, place)
      return new SubsetPicker(next(members, random, weightOf), members.length, others, random)
    }
}

/** Where this client stands among all, 0 to 1. */
function placeOf({ index, of, id }: SubsetOptions): number {
  if (id === undefined) {
    if (!Number.isInteger(of) || of < 1) throw invalidOption('of', of, 'a whole number, 1 or more')
    if (!Number.isInteger(index) || index < 0)
      throw invalidOption('index', index, 'a whole number, 0 or more')
    // The middle of its part. More clients than were reckoned with go round.
    return ((index % of) + 0.5) / of
  }
  if (typeof id !== 'string' || id === '') {
    throw invalidOption('id', id, 'a name of this client, or else index and of')
  }
  const hash = new Xxh64()
  hash.hash(id)
  return (hash.high >>> 0) / 0x1_0000_0000
}

class SubsetPicker<E extends Candidate> implements Picker<E> {
  readonly #next: Picker<E>
  readonly #size: number
  readonly #others: readonly E[]
  readonly #random: Random

  constructor(next: Picker<E>, size: number, others: readonly E[], random: Random) {
    this.#next = next
    this.#size = size
    this.#others = others
    this.#random = random
  }

  pick(context: PickContext<E>): E | undefined {
    return this.#next.pick(context) ?? this.#pickElsewhere(context)
  }

  refresh(now: number): void {
    this.#next.refresh?.(now)
  }

  close(): void {
    this.#next.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const reason = `not in this client's subset of ${this.#size} of ${this.#size + this.#others.length}`
    for (const endpoint of this.#others) report.skipped(endpoint, reason)
    const endpoint = explainPick(this.#next, context, report)
    if (endpoint !== undefined) return endpoint
    report.step("no endpoint of this client's subset is eligible: any other")
    return this.#pickElsewhere(context)
  }

  #pickElsewhere(context: PickContext<E>): E | undefined {
    return scanFrom(this.#others, below(this.#others.length, this.#random), context)
  }
}
