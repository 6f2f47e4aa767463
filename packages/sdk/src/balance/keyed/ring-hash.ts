import { requireKnown } from '../../validation/known-names.js'
import type { Instance } from '../../discovery/resolver.js'
import { invalidOption, requireCount } from '../../validation/invalid-option.js'
import type { Random } from '../../random.js'
import { bounded, requireBalanceFactor } from './bounded-load.js'
import { explainKey } from '../explain-pick.js'
import { addressOf, inHashOrder, type HashMember } from './hash-member.js'
import { HashRing, type RingPoints } from './hash-ring.js'
import type { PickReport } from '../picker.js'
import {
  eligible,
  scanFrom,
  type Balancer,
  type Candidate,
  type PickContext,
  type Picker,
  type WeightOf,
} from '../picker.js'
import { KetamaDigests } from './ketama-digests.js'
import { ketamaPoints, xxHashPoints } from './ring-points.js'

/** The ring of `ringHash`: how large it is, how its points are made, and how much load an endpoint takes. */
export interface RingHashOptions {
  /**
   * How points are made. `xx_hash`: as Envoy does, so that a key leads both to the same endpoint. `ketama`: as
   * libketama does, 160 for an endpoint of average weight: of equal weights, only the keys of one that leaves move.
   * The first ring of 1,000 endpoints takes 40 ms, and one after a change 17. A request's key is hashed by XXH64 either
   * way. Default `xx_hash`.
   */
  readonly hashFunction?: 'xx_hash' | 'ketama' | undefined
  /**
   * Of `xx_hash`: how many points at least, 1 to 8,388,608. More of them make shares more exact and a change of the
   * set slower: an endpoint with k points gets its share within 1 / sqrt(k), so 1,024 among ten, within 10%.
   * Default 1,024, as Envoy's and gRPC's.
   */
  readonly minimumRingSize?: number | undefined
  /**
   * Of `xx_hash`: how many at most, 1 to 8,388,608. Default 65,536, or the minimum where that is more. Envoy's default
   * is 8,388,608, which would take a process with one thread seconds to lay out; it takes weights of more than 64 to 1
   * among 1,000 endpoints to reach even the default.
   */
  readonly maximumRingSize?: number | undefined
  /**
   * The most load that an endpoint takes, as a multiple of its share of the requests in flight, 1 to 10: what is above
   * goes elsewhere, each key always to the same places. 1.25 is common; it is a hundredth of Envoy's
   * `hash_balance_factor`. Default: no bound.
   */
  readonly balanceFactor?: number | undefined
  /** What an endpoint is known by on the ring, such as a part of its `meta` that outlives it. Default: `host:port`. */
  readonly endpointKey?: ((instance: Instance) => string) | undefined
}

const MINIMUM_RING_SIZE = 1024
// What is laid out in about 20 ms.
const MAXIMUM_RING_SIZE = 65_536
// Envoy's limit for either, 8 M.
const LARGEST_RING_SIZE = 8_388_608

// With nine of ten endpoints not eligible, 64 points in a row miss in 0.9^64 = 0.1% of the picks.
const STEPS = 64

/**
 * Ring hash: equal keys meet the same endpoint as long as that is in use, and when the set changes most keys stay.
 * Endpoints own arcs of a circle in proportion to weight, in many small pieces; a key falls on a point of it.
 * When: endpoints hold something of a key's own, such as a cache, and Envoy has to find the same one.
 * When not: load must be even whatever the keys are, unless `balanceFactor` bounds it. `maglev` has more even shares and moves fewer keys: here all the
 * others get more points when one leaves, and with ten that moves 9% of their keys besides those of the one that left.
 * An endpoint that is not eligible is skipped clockwise, as if it were not on the ring. Without a key: any endpoint, by weight.
 * Expected O(1) a pick; O(ring size) for a change of the set.
 * Source: Envoy `ring_hash_lb.cc`, gRPC A42 and A76; libketama.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { createClient, ringHash } from '@fairlead/sdk'
 *
 * const sessions = createClient('sessions', {
 *   balancer: ringHash({ minimumRingSize: 16_384 }),
 *   hashOn: [{ header: 'x-user' }],
 * })
 * await sessions.request({ path: '/v1/session', headers: { 'x-user': 'ann' } })
 * ```
 */
export function ringHash(options: RingHashOptions = {}): Balancer {
  requireKnown('ringHash', options, [
    'hashFunction',
    'minimumRingSize',
    'maximumRingSize',
    'balanceFactor',
    'endpointKey',
  ])
  const pointsOf = pointMaker(options)
  const { balanceFactor, endpointKey = addressOf } = options
  requireBalanceFactor(balanceFactor)
  return <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> => {
    const ordered = inHashOrder(endpoints, endpointKey, weightOf)
    const picker = new RingHashPicker(
      ordered.endpoints,
      new HashRing(pointsOf(ordered.members, ordered.endpoints)),
      random,
    )
    return bounded(picker, ordered.endpoints, balanceFactor, random, weightOf)
  }
}

type PointMaker = (members: readonly HashMember[], endpoints: readonly Candidate[]) => RingPoints

function pointMaker(options: RingHashOptions): PointMaker {
  const { hashFunction = 'xx_hash', minimumRingSize: minimum = MINIMUM_RING_SIZE } = options
  const { maximumRingSize: maximum = Math.max(MAXIMUM_RING_SIZE, minimum) } = options
  requireCount('minimumRingSize', minimum, 1, LARGEST_RING_SIZE)
  requireCount('maximumRingSize', maximum, 1, LARGEST_RING_SIZE)
  if (minimum > maximum) {
    throw invalidOption('minimumRingSize', minimum, `at most maximumRingSize, which is ${maximum}`)
  }
  switch (hashFunction) {
    case 'xx_hash':
      return (members) => xxHashPoints(members, minimum, maximum)
    case 'ketama': {
      const digests = new KetamaDigests()
      return (members, endpoints) => ketamaPoints(members, digests, endpoints)
    }
    default:
      throw invalidOption('hashFunction', hashFunction, 'xx_hash or ketama')
  }
}

class RingHashPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #ring: HashRing
  readonly #random: Random

  constructor(endpoints: readonly E[], ring: HashRing, random: Random) {
    this.#endpoints = endpoints
    this.#ring = ring
    this.#random = random
  }

  pick(context: PickContext<E>): E | undefined {
    const { hash } = context
    const point =
      hash === undefined
        ? this.#ring.at(this.#random.bits(), this.#random.bits())
        : this.#ring.at(hash.high, hash.low)
    const endpoint = this.#endpoints[this.#ring.owner(point)]
    if (endpoint === undefined || eligible(endpoint, context)) return endpoint
    return this.#pickAfter(point, context)
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const { high, low } = context.hash ?? { high: 0, low: 0 }
    explainKey(this.#endpoints[this.#ring.owner(this.#ring.at(high, low))], context, report)
    return this.pick(context)
  }

  #pickAfter(point: number, context: PickContext<E>): E | undefined {
    const { size } = this.#ring
    let next = point
    for (let step = Math.min(STEPS, size); step > 0; step--) {
      next = next + 1 < size ? next + 1 : 0
      const endpoint = this.#endpoints[this.#ring.owner(next)]
      if (endpoint !== undefined && eligible(endpoint, context)) return endpoint
    }
    // From the owner on, so that a key still always falls over to the same endpoint.
    return scanFrom(this.#endpoints, this.#ring.owner(point), context)
  }
}
