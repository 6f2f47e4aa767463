import type { AsyncResource } from 'node:async_hooks'
import type { Dispatcher } from 'undici'
import type { Linked } from '../collections/linked-list.js'
import type { Instance } from '../discovery/resolver.js'
import type { Handler } from './handler.js'

/** One request, as a transport sees it: the callbacks that it makes, and what it keeps for it. */
export interface TransportRequest extends Handler, Linked<TransportRequest> {
  readonly options: Dispatcher.DispatchOptions
  /** What carries it, such as a connection; written by the transport when its turn comes. Undefined: it is queued. */
  carrier: object | undefined
  /** Whose request it is, should its turn come while another one's work runs; undefined: of no caller's. */
  readonly context: AsyncResource | undefined
  /**
   * May the endpoint have processed any of it? Set when it is written; taken back by the transport where the endpoint has
   * said that it has not.
   */
  written: boolean
  /**
   * Has the endpoint said that it has not processed what was written (RFC 9113, 8.7)? It may be sent anywhere again,
   * whatever it is; but it was a load, as any other that was written. Written by the transport.
   */
  unprocessed?: boolean
  /** Has a byte of a response come? */
  readonly answered: boolean
  /** What is written of it, asked as it is: one of its headers may tell the time that is left. Absent: `options`. */
  toSend?(): Dispatcher.DispatchOptions
  /** It was queued, and its turn has come. */
  onTurn?(): void
}

/** What a request leaves its connection in. */
export type ReleaseReason =
  /** The response is whole. */
  | 'complete'
  /** It failed, or the connection speaks another protocol than HTTP by now. */
  | 'failed'
  /** It was cancelled by us, perhaps with bytes of it still on their way. */
  | 'cancelled'

/**
 * Sends the requests of one endpoint. HTTP/1.1 on a stack of connections is one (`http1.ts`).
 * Nothing throws: what goes wrong reaches the request's `onError`, once.
 */
export interface Transport {
  /** Connections, busy and idle. */
  readonly connections: number
  send(request: TransportRequest): void
  /** Opens connections before requests come, until there are `count` and within its limit. What fails is not told. */
  preconnect(count: number): void
  /**
   * Takes a request that has failed for another try of its own, where the failure is one of the connection and provably
   * none of the request's or the endpoint's. False: it has failed.
   */
  resend(request: TransportRequest, error: Error): boolean
  /** Takes back what carried the request. Exactly once for each that was sent and not resent. */
  release(request: TransportRequest, reason: ReleaseReason): void
  /** Fails what is queued with `error`: it has not been written. Absent: nothing is queued, or not for long. */
  unqueue?(error: Error): void
  /** Lets requests in flight and in the queue finish, then closes all connections. */
  close(): Promise<void>
  /** Aborts requests in flight and in the queue with `error`. */
  destroy(error: Error): Promise<void>
}

/**
 * Makes the transport of an instance, for its first request: of 10,000 most are never sent one. `onLeaving`: its
 * connections say that it is about to leave.
 */
export type TransportFactory = (instance: Instance, onLeaving: () => void) => Transport
