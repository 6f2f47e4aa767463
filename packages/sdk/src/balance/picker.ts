import type { Instance } from '../discovery/resolver.js'
import type { RequestFields } from '../hashing/request-fields.js'
import type { KeyHash } from '../hashing/key-hash.js'
import type { Random } from '../random.js'
import type { BackendLoad } from '../orca/backend-load.js'

/** What a balancer sees of an endpoint. The load stands on the object: a pick looks nothing up. */
export interface Candidate {
  /** What discovery knows of it. */
  readonly instance: Instance
  /** May it be sent requests: false while its circuit is open, unless too few others are left. Pure. */
  readonly available: boolean
  /** Since when it has been in use, in whole milliseconds of the clock: newly listed, or back after a failure. */
  readonly usableSince: number
  /** Requests handed to it whose response has not ended. */
  readonly inflight: number
  /** Peak EWMA of the time to first byte in whole microseconds, projected to `now`; reading never writes. */
  latencyUs(now: number): number
  /**
   * Has it call back at once whenever the number of requests in flight changes, for pickers that keep endpoints in order
   * of load. Any number of them may; all end with the picker that the client has at the time.
   */
  onLoadChange(callback: () => void): void
  /** Ends what `onLoadChange` began: for whoever replaces a picker by itself. */
  offLoadChange(callback: () => void): void
  /**
   * What the backend reports of its own load. Undefined: nobody has asked for it. A policy that goes by it puts a
   * `BackendLoad` here when it is built, and responses are looked through for reports from then on.
   */
  backendLoad: BackendLoad | undefined
  /**
   * Has it asked for a report, by a GET of `path` beside its traffic, in a later turn of the event loop. Does nothing where
   * no report is wanted, where one is on its way, or where the last attempt brought none a short while ago.
   */
  probe(path: string): void
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
  /**
   * May it be sent twice without harm? Only where it may not, `false`, it goes to nothing that is retained although no
   * longer listed, whose address may be another service's by now.
   */
  readonly idempotent?: boolean | undefined
  /** The headers of the request, as the caller gave them; undefined: it has none, or is not one of HTTP. */
  readonly headers?: RequestFields['headers'] | undefined
}

/**
 * The momentary state of a balancer: immutable as a set, replaced when the set changes.
 * `pick` never blocks, throws or allocates. It returns `undefined` when no endpoint is available and untried.
 */
export interface Picker<E extends Candidate = Candidate> {
  /** The endpoint for one request; undefined: none is available and untried. */
  pick(context: PickContext<E>): E | undefined
  /**
   * Called once a second while the client is in use, and when an endpoint has become available or has ceased to be: the
   * place for what takes longer than a pick may, such as a table made anew of weights that change with time.
   */
  refresh?(now: number): void
  /**
   * It is not used any more: the place to take off observers. A layer passes it on, and calls it where it makes the next
   * picker anew by itself.
   */
  close?(): void
  /** Picks as `pick` does, and says why. Without it, all that is said is what was picked. */
  explain?(context: PickContext<E>, report: PickReport<E>): E | undefined
}

/** Hears from a picker, step by step, how it came to its endpoint. */
export interface PickReport<E extends Candidate = Candidate> {
  /** What was done, in words: `its turn`. */
  step(text: string): void
  /**
   * An endpoint was looked at, and its load told; the least wins.
   *
   * @param measure What the figure is, such as `requests in flight / weight`.
   */
  compared(endpoint: E, load: number, measure: string): void
  /** An endpoint was not looked at, and why. */
  passedOver(endpoint: E, reason: string): void
}

/** How much an endpoint is to get, relative to others. */
export type WeightOf = (endpoint: Candidate) => number

/**
 * Makes a picker of a set of endpoints, whenever instances or their weights change.
 * Every endpoint it is handed has a weight of 1 or more: Fairlead keeps weight 0 as a last resort beside it.
 *
 * @param weightOf What to take for weights: {@link registeredWeight}, or what a {@link Layer} makes of it. Never
 *   `instance.weight` by itself, and a layer hands it on, or those before it would count for nothing.
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
export type Balancer = <E extends Candidate>(
  endpoints: readonly E[],
  random: Random,
  weightOf: WeightOf,
) => Picker<E>

/**
 * Stands before a policy: hands it some of the endpoints, or other weights, or looks at its choice.
 * A function of the balancer that comes next, whose result is a balancer again: see `compose`.
 */
export type Layer = (next: Balancer) => Balancer

/** The weight in Consul, by the state of the instance's checks. */
export const registeredWeight: WeightOf = ({ instance }) => instance.weight

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
