import type { HashPolicy } from '../discovery/server-policy.js'
import type { KeyHashTarget } from './key-hash.js'
import {
  cookieValue,
  headerValues,
  pathnameOf,
  pathOf,
  queryValue,
  type RequestFields,
  type Values,
} from './request-fields.js'
import { Xxh64 } from './xxh64.js'

/** Who a request is made for, where a program makes it for another. */
export interface Caller {
  /** An address as text, such as `10.0.0.7`. Read only when a balancer needs it: it may be a getter. */
  readonly address: string | undefined
}

/** A request as far as its key goes. */
export interface KeyedRequest extends RequestFields {
  /** The key itself; goes before all policies. */
  readonly hashKey?: string | undefined
  readonly caller?: Caller | undefined
}

/**
 * What a request is hashed by. Hashes of the parts that are found are combined, each time turning what there is by
 * one bit, so that two equal parts do not cancel each other out; a terminal part ends it once there is a hash.
 * Source: Envoy `source/common/http/hash_policy.cc`, bit for bit: a key leads to the endpoint that Envoy would take.
 */
export class RequestHasher {
  readonly #policies: readonly HashPolicy[]
  readonly #xxh64 = new Xxh64()

  constructor(policies: readonly HashPolicy[]) {
    // Names of headers are equal whatever their case, and names of cookies and parameters are not.
    this.#policies = policies.map((policy) =>
      policy.field === 'header' ? { ...policy, name: policy.name.toLowerCase() } : policy,
    )
  }

  /** Writes the hash of a request to `target`. `false`: it has no key. */
  hash(request: KeyedRequest, target: KeyHashTarget): boolean {
    const { hashKey } = request
    const hash = this.#xxh64
    // An empty key is that of no caller in particular, which must not be one endpoint for all of them.
    if (hashKey !== undefined && hashKey !== '') {
      hash.hash(hashKey)
      target.high = hash.high
      target.low = hash.low
      return true
    }
    return this.#policies.length > 0 && this.#combine(request, target)
  }

  #combine(request: KeyedRequest, target: KeyHashTarget): boolean {
    const hash = this.#xxh64
    let found = false
    let high = 0
    let low = 0
    for (const { field, name, terminal } of this.#policies) {
      if (this.#hashPart(request, field, name)) {
        const before = high
        high = ((high << 1) | (low >>> 31)) ^ hash.high
        low = ((low << 1) | (before >>> 31)) ^ hash.low
        found = true
      }
      if (terminal && found) break
    }
    target.high = high
    target.low = low
    return found
  }

  #hashPart(request: KeyedRequest, field: HashPolicy['field'], name: string): boolean {
    switch (field) {
      case 'header':
        return this.#hashValues(
          name.startsWith(':') ? pseudoHeader(request, name) : headerValues(request.headers, name),
        )
      case 'cookie':
        return this.#hashValues(cookieValue(headerValues(request.headers, 'cookie'), name))
      case 'query_parameter':
        return this.#hashValues(queryValue(pathOf(request), name))
      case 'pathname':
        return this.#hashValues(pathnameOf(request) || undefined)
      case 'source_ip':
        return this.#hashValues(callerAddress(request.caller))
    }
  }

  #hashValues(values: Values): boolean {
    if (values === undefined) return false
    const hash = this.#xxh64
    if (typeof values === 'string') {
      hash.hash(values)
      return true
    }
    if (values.length === 0) return false
    // Sorted, so that the order of a header's values does not matter; each seeds the hash of the next.
    let high = 0
    let low = 0
    for (const value of [...values].sort()) {
      hash.hash(value, high, low)
      high = hash.high
      low = hash.low
    }
    return true
  }
}

/** Without a caller, the client is the source itself, and there is no address to tell its callers apart by. */
function callerAddress(caller: Caller | undefined): string | undefined {
  const address = caller?.address
  return typeof address === 'string' && address !== '' ? address : undefined
}

/** Names of HTTP/2 under which Envoy's users, and so Consul's, hash by the path or the method. */
function pseudoHeader(request: KeyedRequest, name: string): string | undefined {
  // What is no request of HTTP has no path, and must not be one endpoint for all by that.
  if (name === ':path') return pathOf(request) || undefined
  return name === ':method' ? request.method : undefined
}
