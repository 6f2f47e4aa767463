import type { Dispatcher } from 'undici'
import type { Caller } from '../hashing/request-hasher.js'

/** Dispatch options, and what Fairlead adds to them. */
export type CallOptions = Dispatcher.DispatchOptions & {
  /** Overrides the client's `timeoutMs` for this request, in milliseconds. */
  readonly timeoutMs?: number | undefined
  /**
   * What `ring_hash`, `maglev` and `rendezvous` go by for this request, before all that `hashOn` says: requests of one
   * key go to one endpoint. An empty one counts as none.
   */
  readonly hashKey?: string | undefined
  /** Who this request is made for: the part `sourceIp` of `hashOn`, and `SourceIP` of a service-resolver. */
  readonly caller?: Caller | undefined
  /**
   * How important it is, 0 the most and 7 the least: which is sent first where `admission` queues requests, and which is
   * shed last. Default: as the header `admission.priorityHeader` says, else 3.
   */
  readonly priority?: number | undefined
}
