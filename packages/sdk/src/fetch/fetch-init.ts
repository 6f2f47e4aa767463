import type { Dispatcher } from 'undici'
import type { CallOptions } from '../call/call-options.js'

/** What `client.fetch` takes: the standard's options, and those of a request of ours. */
export interface FetchInit extends Omit<RequestInit, 'dispatcher'>, FetchPolicy {
  /**
   * Sent through instead of the client's own: one with interceptors, `client.dispatcher.compose(...)`; a `MockAgent`. Of
   * undici's types or of those of the global `fetch`, which come from another version.
   */
  dispatcher?: Dispatcher | (RequestInit extends { dispatcher?: infer D } ? D : never) | undefined
  /** For a body that is a stream. */
  duplex?: 'half'
}

/** What this request is given beside what the standard knows. */
export type FetchPolicy = Pick<CallOptions, 'timeoutMs' | 'hashKey' | 'caller'> & {
  /**
   * Does it no harm to send it twice? Default: by the method. `true`: it may be tried again like a GET, unless its body
   * is a stream.
   */
  readonly idempotent?: boolean | undefined
}
