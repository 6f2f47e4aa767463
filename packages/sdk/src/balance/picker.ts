import type { Instance } from '../discovery/resolver.js'
import type { KeyHash } from '../hashing/key-hash.js'
import type { Random } from '../random.js'

/** Told at once when the number of requests in flight on an endpoint changes. */
export interface LoadObserver {
  loadChanged(): void
}

/** What a balancer sees of an endpoint. The load stands on the object: a pick looks nothing up. */
export interface Candidate {
  readonly instance: Instance
  /** Our own judgement of it: false while its circuit is open. Pure. */
  readonly available: boolean
  /** Requests handed to it whose response has not ended. */
  readonly inflight: number
  /** Peak EWMA of the time to first byte in whole microseconds, projected to `now`; reading never writes. */
  latencyUs(now: number): number
  /** For pickers that keep endpoints in order of load: one observer, the newest picker's. */
  observer: LoadObserver | undefined
}

/** What a pick may take into account. The request itself plays this part, so that a pick allocates nothing. */
export interface PickContext<E extends Candidate = Candidate> {
  /** The clock's time in whole milliseconds: V8 makes an object of a fraction wherever one is handed on. */
  readonly now: number
  /** Endpoints that have failed this request already. */
  readonly tried: readonly E[]
  /**
   * What the request is to be told apart by, such as its user: equal keys should meet the same endpoint.
   * Computed when it is first read. `undefined`: the request has no key, and any endpoint will do.
   */
  readonly hash?: KeyHash | undefined
}

/**
 * The momentary state of a balancer: immutable as a set, replaced when the set changes.
 * `pick` never blocks, throws or allocates. It returns `undefined` when no endpoint is available and untried.
 */
export interface Picker<E extends Candidate = Candidate> {
  pick(context: PickContext<E>): E | undefined
}

/**
 * Makes a picker of a set of endpoints, whenever instances or their weights change.
 * Every endpoint it is handed has a weight of 1 or more: Fairlead keeps weight 0 as a last resort beside it.
 *
 * @example
 * ```ts
 * import { createClient, type Balancer } from '@fairlead/sdk'
 *
 * const first: Balancer = (endpoints) => ({
 *   pick: ({ tried }) => endpoints.find((endpoint) => endpoint.available && !tried.includes(endpoint)),
 * })
 * await using orders = createClient('orders', { balancer: first })
 * ```
 */
export type Balancer = <E extends Candidate>(endpoints: readonly E[], random: Random) => Picker<E>

/** May this endpoint serve this request? */
export function eligible<E extends Candidate>(endpoint: E, context: PickContext<E>): boolean {
  return endpoint.available && (context.tried.length === 0 || !context.tried.includes(endpoint))
}

/**
 * The way out when a policy's own choice is not eligible: the first that is, in a circle from `start`.
 * O(n), and only walked while endpoints are failing.
 */
export function scanFrom<E extends Candidate>(
  endpoints: readonly E[],
  start: number,
  context: PickContext<E>,
): E | undefined {
  for (let step = 0; step < endpoints.length; step++) {
    const endpoint = endpoints[(start + step) % endpoints.length]
    if (endpoint !== undefined && eligible(endpoint, context)) return endpoint
  }
  return undefined
}
