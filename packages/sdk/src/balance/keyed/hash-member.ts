import type { Instance } from '../../discovery/resolver.js'
import type { Candidate, WeightOf } from '../picker.js'

/** A member of a ring or a table, as far as its place there goes. */
export interface HashMember {
  /** What its places are hashed from. */
  readonly name: string
  readonly weight: number
}

/**
 * Endpoints in an order that every process finds, whatever the order in which discovery lists them: by name, and of
 * one name by key.
 */
export function inHashOrder<E extends Candidate>(
  endpoints: readonly E[],
  endpointKey: (instance: Instance) => string,
  weightOf: WeightOf,
): { readonly endpoints: readonly E[]; readonly members: readonly HashMember[] } {
  const entries = endpoints.map((endpoint) => {
    const { instance } = endpoint
    return { endpoint, name: endpointKey(instance), key: instance.key, weight: weightOf(endpoint) }
  })
  entries.sort((a, b) => compare(a.name, b.name) || compare(a.key, b.key))
  return { endpoints: entries.map(({ endpoint }) => endpoint), members: entries }
}

/** `host:port` of an instance, which is what Envoy hashes endpoints by. */
export function addressOf({ origin }: Instance): string {
  const address = origin.slice(origin.indexOf('//') + 2)
  if (/:\d+$/.test(address)) return address
  return `${address}:${origin.startsWith('https:') ? 443 : 80}`
}

/**
 * Counts what is made of a name, members in hash order: two registrations of one address go on counting, or their
 * places would be the same.
 */
export class Numbers {
  #name = ''
  #next = 0

  next(name: string): number {
    return this.take(name, 1)
  }

  /** The first of `count` numbers in a row. */
  take(name: string, count: number): number {
    if (name !== this.#name) {
      this.#name = name
      this.#next = 0
    }
    const first = this.#next
    this.#next += count
    return first
  }
}

/** By code unit: the order of a locale is not the same everywhere. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
