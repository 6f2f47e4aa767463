import type { Instance } from '../discovery/resolver.js'
import type { RequestFields } from '../hashing/request-fields.js'
import type { KeyHash } from '../hashing/key-hash.js'
import type { Random } from '../random.js'
import type { BackendLoad } from '../orca/backend-load.js'

/** What a balancer sees of an endpoint. The load is on the object: a pick needs no look-up. */
export interface Candidate {
  /** What discovery knows of it. */
  readonly instance: Instance
  /** May it be sent requests: false while it is unavailable, as with an open circuit, unless too few others are left. Pure. */
  readonly available: boolean
  /** Since when it has been in use, in whole milliseconds of the clock: newly listed, or recovered. */
  readonly usableSince: number
  /** Requests handed to it whose response has not ended. */
  readonly inflight: number
  /** Peak EWMA of the time to first byte in whole microseconds, projected to `now`; reading never writes. */
  latencyUs(now: number): number
  /**
   * Adds an observer, which is called at once whenever the number of requests in flight changes, for pickers that keep
   * endpoints in order of load. Any number of observers; all are removed with the picker that the client has at the time.
   */
  onLoadChange(callback: () => void): void
  /** Removes an observer of `onLoadChange`: for a layer that replaces a picker itself. */
  offLoadChange(callback: () => void): void
  /**
   * The load that the backend reports. Undefined: reports are not used. A policy that uses them sets a `BackendLoad` when
   * it is built, and responses are searched for reports from then on.
   */
  backendLoad: BackendLoad | undefined
  /**
   * Sends a load probe: a GET of `path` beside its traffic, in a later turn of the event loop. Does nothing where reports
   * are not used, while a probe is pending, or shortly after one that brought no report.
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
   * The hash of the request's key, such as its user: equal keys should get the same endpoint. Computed when it is first
   * read. `undefined`: the request has no key, and any endpoint will do.
   */
  readonly hash?: KeyHash | undefined
  /**
   * May it be sent twice without harm? Only where not, `false`, it is not sent to endpoints that are retained although no
   * longer listed, whose address may belong to another service by now.
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
   * Called once a second while the client is in use, and when the availability of an endpoint has changed: for what takes
   * longer than a pick may, such as rebuilding a table from weights that change with time.
   */
  refresh?(now: number): void
  /**
   * It is no longer used: removes observers. A layer passes it on, and calls it where it rebuilds the next picker itself.
   */
  close?(): void
  /** Picks as `pick` does, and reports why. Without it, only the picked endpoint is known. */
  explain?(context: PickContext<E>, report: PickReport<E>): E | undefined
}

/** Receives from a picker, step by step, how it chose its endpoint. */
export interface PickReport<E extends Candidate = Candidate> {
  /** What was done, in words: `next in rotation`. */
  step(text: string): void
  /**
   * An endpoint was compared by its load; the least wins.
   *
   * @param measure What the figure is, such as `requests in flight / weight`.
   */
  compared(endpoint: E, load: number, measure: string): void
  /** An endpoint was skipped, and why. */
  skipped(endpoint: E, reason: string): void
}

/** The weight of an endpoint, relative to others. */
export type WeightOf = (endpoint: Candidate) => number

/**
 * Makes a picker of a set of endpoints, whenever instances or their weights change.
 * Every endpoint it is handed has a weight of 1 or more: Fairlead keeps weight 0 as a last resort beside it.
 *
 * @param weightOf The weights to use: {@link registeredWeight}, or what a {@link Layer} makes of it. Never
 *   `instance.weight` directly, and a layer passes it on, or the layers before it would have no effect.
 * @example
 * ```ts
 * import { createClient, type Balancer } from '@fairlead/sdk'
 *
 * const first: Balancer = (endpoints) => ({
 *   pick: ({ tried }) => endpoints.find((endpoint) => endpoint.available && !tried.includes(endpoint)),
 * })
 * const orders = createClient('orders', { balancer: first })
 * ```
 */
export type Balancer = <E extends Candidate>(
  endpoints: readonly E[],
  random: Random,
  weightOf: WeightOf,
) => Picker<E>

/**
 * A layer around a policy: passes it some of the endpoints, or other weights, or reviews its choice.
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
 * The fallback when a policy's own choice is not eligible: the first endpoint that is, in a circle from `start`.
 * O(n), and only used while endpoints are failing.
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
