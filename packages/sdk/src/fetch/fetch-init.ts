import type { CallOptions } from '../call.js'

/**
 * What `client.fetch` takes: the standard's options, and those of a request of ours. A `dispatcher` is sent through
 * instead of the client's own: one with interceptors, `client.dispatcher.compose(...)`.
 */
export interface FetchInit extends RequestInit, FetchPolicy {
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
