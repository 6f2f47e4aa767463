import { requireKnown } from '../../validation/known-names.js'
import type { Instance } from '../../discovery/resolver.js'
import { Modulus } from '../../hashing/modulus.js'
import { invalidOption } from '../../validation/invalid-option.js'
import type { Random } from '../../random.js'
import { bounded, requireBalanceFactor } from './bounded-load.js'
import { explainKey } from '../explain-pick.js'
import { addressOf, inHashOrder } from './hash-member.js'
import { MaglevTable } from './maglev-table.js'
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

/** The table of `maglev`: how large it is, and how much load an endpoint takes. */
export interface MaglevOptions {
  /**
   * Slots of the table, a prime number from 2 to 5,000,011. A hundred for each endpoint keep shares within 1%; with
   * fewer slots than endpoints some get nothing. Default 65,537, as Envoy's.
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

const TABLE_SIZE = 65_537
// Envoy's limit.
const LARGEST_TABLE_SIZE = 5_000_011

// With nine of ten endpoints not eligible, 64 slots miss in 0.9^64 = 0.1% of the picks.
const ATTEMPTS = 64

/**
 * Maglev: equal keys meet the same endpoint as long as that is in use, shares follow the weights almost exactly, and
 * when the set changes most keys stay.
 * When: endpoints hold something of a key's own, such as a cache. When not: load must be even whatever
 * the keys are, unless `balanceFactor` bounds it.
 * An endpoint that leaves moves its own keys and, of 3 to 1,000 endpoints, less than 2% of the others.
 * An endpoint that is not eligible is skipped: the key is rehashed, always to the same others. Without a key: any endpoint.
 * O(1) a pick; O(table size x log(table size)) for a change of the set.
 * Source: Eisenbud et al., Maglev: A Fast and Reliable Software Network Load Balancer (NSDI 2016), 3.4; Envoy
 * `maglev_lb.cc`, and so a key leads both to the same endpoint.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { createClient, maglev } from '@fairlead/sdk'
 *
 * const thumbnails = createClient('thumbnails', {
 *   balancer: maglev({ tableSize: 655_373 }),
 *   hashOn: [{ path: true }],
 * })
 * await thumbnails.request({ path: '/v1/images/42' })
 * ```
 */
export function maglev(options: MaglevOptions = {}): Balancer {
  requireKnown('maglev', options, ['tableSize', 'balanceFactor', 'endpointKey'])
  const { tableSize = TABLE_SIZE, balanceFactor, endpointKey = addressOf } = options
  requireBalanceFactor(balanceFactor)
  if (!(tableSize <= LARGEST_TABLE_SIZE && isPrime(tableSize))) {
    const wanted = `a prime number from 2 to ${LARGEST_TABLE_SIZE}, such as ${TABLE_SIZE}`
    throw invalidOption('tableSize', tableSize, wanted)
  }
  return <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> => {
    const ordered = inHashOrder(endpoints, endpointKey, weightOf)
    const picker = new MaglevPicker(ordered.endpoints, new MaglevTable(ordered.members, tableSize), random)
    return bounded(picker, ordered.endpoints, balanceFactor, random, weightOf)
  }
}

class MaglevPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #owners: Uint16Array | Uint32Array
  readonly #slots: Modulus
  readonly #random: Random

  constructor(endpoints: readonly E[], table: MaglevTable, random: Random) {
    this.#endpoints = endpoints
    this.#owners = table.owners
    this.#slots = new Modulus(table.owners.length)
    this.#random = random
  }

  pick(context: PickContext<E>): E | undefined {
    const { hash } = context
    const high = hash === undefined ? this.#random.bits() : hash.high
    const low = hash === undefined ? this.#random.bits() : hash.low
    const endpoint = this.#endpointOf(high, low)
    if (endpoint === undefined || eligible(endpoint, context)) return endpoint
    return this.#pickElsewhere(high, low, context)
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const { high, low } = context.hash ?? { high: 0, low: 0 }
    explainKey(this.#endpointOf(high, low), context, report)
    return this.pick(context)
  }

  #endpointOf(high: number, low: number): E | undefined {
    return this.#endpoints[this.#owners[this.#slots.of(high, low)] ?? 0]
  }

  #pickElsewhere(high: number, low: number, context: PickContext<E>): E | undefined {
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      // Envoy's: the hash xor 2^64 less the attempt, which changes most of its bits.
      const endpoint = this.#endpointOf(~high, low ^ -attempt)
      if (endpoint !== undefined && eligible(endpoint, context)) return endpoint
    }
    // From the owner on, so that a key still always falls over to the same endpoint.
    return scanFrom(this.#endpoints, this.#owners[this.#slots.of(high, low)] ?? 0, context)
  }
}

function isPrime(number: number): boolean {
  if (!Number.isInteger(number) || number < 2) return false
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false
  return true
}
