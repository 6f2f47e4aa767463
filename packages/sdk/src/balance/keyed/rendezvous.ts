import { requireKnown } from '../../validation/known-names.js'
import type { Instance } from '../../discovery/resolver.js'
import { invalidOption } from '../../validation/invalid-option.js'
import type { Random } from '../../random.js'
import { bounded, requireBalanceFactor } from './bounded-load.js'
import { explainKey } from '../explain-pick.js'
import { addressOf, inHashOrder } from './hash-member.js'
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
import { RendezvousTable } from './rendezvous-table.js'

/** The table of `rendezvous`: how large it is, and how much load an endpoint takes. */
export interface RendezvousOptions {
  /**
   * Slots of the table, a power of two from 2 to 4,194,304. An endpoint with k of them gets its share within
   * 1 / sqrt(2 k): one of 100 among 65,536 slots, within 3%. Default 65,536, which are won in 10 to 20 ms, for any number of
   * endpoints; ten times as many take ten times as long.
   */
  readonly tableSize?: number | undefined
  /**
   * The most load that an endpoint takes, as a multiple of its share of the requests in flight, 1 to 10: what is above
   * goes elsewhere, each key always to the same places. 1.25 is common; it is a hundredth of Envoy's
   * `hash_balance_factor`. Default: no bound.
   */
  readonly balanceFactor?: number | undefined
  /** What an endpoint is known by in the table, such as a part of its `meta` that outlives it. Default: `host:port`. */
  readonly endpointKey?: ((instance: Instance) => string) | undefined
}

const TABLE_SIZE = 65_536
// Maglev's limit, Envoy's, as a power of two.
const LARGEST_TABLE_SIZE = 4_194_304

// With nine of ten endpoints not eligible, 64 slots miss in 0.9^64 = 0.1% of the picks.
const ATTEMPTS = 64

/**
 * Rendezvous: equal keys meet the same endpoint as long as that is in use, and when the set changes no key moves that
 * need not: what leaves gives up its own keys and moves no others, what comes takes only what is its own from then on,
 * and a weight that changes moves keys only from or to its endpoint, and only as many as it must.
 * When: a moved key is dear, such as a cache that has to be filled or a session that has to be fetched, and sets or
 * weights change often. When not: Envoy has to find the same endpoint, or shares must be exact, for which `maglev` is
 * better: here those of equal endpoints differ by 1 / sqrt(2 k) with k slots each, 9% for 1,000 endpoints. Nor where
 * load must be even whatever the keys are, unless `balanceFactor` bounds it.
 * An endpoint that is not eligible is skipped: the key is rehashed, always to the same others. Without a key: any endpoint.
 * O(1) a pick; O(table size x log(table size)) for a change of the set.
 * Source: Thaler and Ravishankar, Using Name-Based Mappings to Increase Hit Rates (1998); with weights, Schindelhauer
 * and Schomaker, Weighted Distributed Hash Tables (2005), the logarithmic method. Decided once for each slot of a
 * table, instead of for each key by a look at all endpoints.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { createClient, rendezvous } from '@fairlead/sdk'
 *
 * const thumbnails = createClient('thumbnails', {
 *   balancer: rendezvous({ tableSize: 1_048_576 }),
 *   hashOn: [{ path: true }],
 * })
 * await thumbnails.request({ path: '/v1/images/42' })
 * ```
 */
export function rendezvous(options: RendezvousOptions = {}): Balancer {
  requireKnown('rendezvous', options, ['tableSize', 'balanceFactor', 'endpointKey'])
  const { tableSize = TABLE_SIZE, balanceFactor, endpointKey = addressOf } = options
  requireBalanceFactor(balanceFactor)
  if (!isPowerOfTwo(tableSize) || tableSize < 2 || tableSize > LARGEST_TABLE_SIZE) {
    throw invalidOption('tableSize', tableSize, `a power of two from 2 to ${LARGEST_TABLE_SIZE}`)
  }
  return <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> => {
    const ordered = inHashOrder(endpoints, endpointKey, weightOf)
    const table = new RendezvousTable(ordered.members, tableSize)
    const picker = new RendezvousPicker(ordered.endpoints, table, random)
    return bounded(picker, ordered.endpoints, balanceFactor, random, weightOf)
  }
}

class RendezvousPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #owners: Uint16Array | Uint32Array
  readonly #random: Random

  constructor(endpoints: readonly E[], table: RendezvousTable, random: Random) {
    this.#endpoints = endpoints
    this.#owners = table.owners
    this.#random = random
  }

  pick(context: PickContext<E>): E | undefined {
    const { hash } = context
    const low = hash === undefined ? this.#random.bits() : hash.low
    const endpoint = this.#endpointOf(low)
    if (endpoint === undefined || eligible(endpoint, context)) return endpoint
    return this.#pickElsewhere(low, context)
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    explainKey(this.#endpointOf(context.hash?.low ?? 0), context, report)
    return this.pick(context)
  }

  #endpointOf(hash: number): E | undefined {
    const owners = this.#owners
    return this.#endpoints[owners[hash & (owners.length - 1)] ?? 0]
  }

  #pickElsewhere(low: number, context: PickContext<E>): E | undefined {
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      // As Envoy's Maglev does, which meets a slot twice only where the table has no more of them.
      const endpoint = this.#endpointOf(low ^ -attempt)
      if (endpoint !== undefined && eligible(endpoint, context)) return endpoint
    }
    // From the owner on, so that a key still always falls over to the same endpoint.
    return scanFrom(this.#endpoints, this.#owners[low & (this.#owners.length - 1)] ?? 0, context)
  }
}

function isPowerOfTwo(number: number): boolean {
  return Number.isInteger(number) && Number.isInteger(Math.log2(number))
}
