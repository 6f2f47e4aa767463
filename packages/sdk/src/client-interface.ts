import type { Dispatcher } from 'undici'
import type { AcquireOptions, EndpointLease } from './call/acquire.js'
import type { CloseOptions } from './call/close.js'
import type { ClientRequestOptions } from './call/request-options.js'
import type { ReadyOptions } from './cluster/readiness.js'
import type { ServiceFetch } from './fetch/fetch.js'
import type { DiscoveryListener } from './observe/discovery-listeners.js'
import type { PickExplanation } from './observe/explain.js'
import type { ClientInspection } from './observe/inspect.js'

/** What of a request a pick may depend on. All of it may be left out. */
export type ExplainOptions = Partial<
  Pick<ClientRequestOptions, 'path' | 'method' | 'headers' | 'query' | 'idempotent' | 'hashKey' | 'caller'>
>

// TypeScript's default `lib` has the DOM's `RequestInit`, which knows no dispatcher, and @types/node then adds nothing to
// it; without the DOM it does. The same question as there, and the same way to add to an interface or leave it.
type DispatcherOfDom = typeof globalThis extends { onmessage: unknown }
  ? {
      /** What sends the request, such as `client.dispatcher`. Default: undici's global one. */
      dispatcher?: Dispatcher | undefined
    }
  : // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- Nothing is to be added.
    {}

declare global {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- What it adds depends on the program.
  interface RequestInit extends DispatcherOfDom {}
}

/**
 * An undici `Dispatcher`, for undici's own APIs and for the global `fetch` alike: the types of the two come from
 * different versions of undici, and neither takes the other's.
 */
export type ServiceDispatcher = Dispatcher &
  (RequestInit extends { dispatcher?: infer D } ? NonNullable<D> : unknown)

/** A client of one Consul service. */
export interface Client extends AsyncDisposable {
  /** The service's name in Consul, as given to `createClient`. */
  readonly service: string
  /** An undici `Dispatcher` with every policy in it: for `fetch`, for undici's APIs, and for its interceptors. */
  readonly dispatcher: ServiceDispatcher
  /**
   * undici's `request`: a status code, headers and a body that is a stream.
   *
   * @throws FairleadError `NO_ENDPOINTS`, `UNAVAILABLE`, `DEADLINE_EXCEEDED`, `ATTEMPTS_EXHAUSTED`, `OVERLOADED`,
   *   `CLIENT_CLOSED`; `INVALID_OPTION` for options that are none;
   *   whatever `signal` was aborted with; undici's own errors for a request that cannot be sent to anyone, and
   *   with `retry: false` for one that failed, with `service` and `endpoint` on it. A body that breaks off after the
   *   head fails with undici's own error where it is read.
   */
  request<TOpaque = null>(options: ClientRequestOptions<TOpaque>): Promise<Dispatcher.ResponseData<TOpaque>>
  /**
   * The standard's `fetch`, on an endpoint of this service; bound or not, so that whatever takes a `fetch` takes it.
   * Takes `timeoutMs`, `idempotent` and `hashKey` as well.
   *
   * @param input A path such as `/v1/orders/42`, a URL of this service, `http://<service>/...`, or a `Request` of one.
   * @throws TypeError whose `cause` is what `request` would throw; whatever `signal` was aborted with.
   */
  readonly fetch: ServiceFetch
  /**
   * An endpoint for a protocol of yours: a raw socket, a database, `got`, whatever takes an address. Picked by the
   * client's policy, and counted as a request in flight until `release`. Nothing is sent, and nothing is tried again:
   * for another endpoint after a failure acquire once more, with the addresses that failed in `exclude`.
   *
   * @throws FairleadError `NO_ENDPOINTS`, `UNAVAILABLE`, `CLIENT_CLOSED`; `DEADLINE_EXCEEDED` where `withDeadline` has no
   *   time left; `INVALID_OPTION`; whatever `signal` was aborted with.
   */
  acquire(options?: AcquireOptions): Promise<EndpointLease>
  /**
   * Resolves when discovery has answered for the first time, also when it knows no instance (a warning is logged then);
   * with `minInstances` when it knows so many.
   *
   * @throws FairleadError `NO_ENDPOINTS` when that takes longer than `timeoutMs`, saying why; `CLIENT_CLOSED`;
   *   `INVALID_OPTION`.
   */
  ready(options?: ReadyOptions): Promise<void>
  /**
   * Calls back after every change of the set of instances, of what they are, or of how far they can be trusted.
   * A listener that throws is logged, and stops no other. Returns how to stop.
   */
  onDiscovery(listener: DiscoveryListener): () => void
  /** The client as it stands; plain data. */
  inspect(): ClientInspection
  /**
   * Makes one pick as a request like this one would, and tells how it came about: what was compared, what was skipped,
   * and why. Nothing is sent; whose turn it is moves on by one.
   */
  explain(request?: ExplainOptions): PickExplanation
  /**
   * Takes no more requests, lets those in flight finish, and leases be released, and stops watching. What has not finished
   * within `timeoutMs` (default 25,000) is aborted with `CLIENT_CLOSED`, also a response whose body is not read. Resolves then, and at
   * once where the client is closed already. `dispatcher.close()` is undici's, without a limit.
   *
   * @throws FairleadError `INVALID_OPTION` for a limit that is not a number of milliseconds.
   */
  close(options?: CloseOptions): Promise<void>
}
