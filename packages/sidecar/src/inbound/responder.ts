import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorResponse } from './error-response.js'

/** What responds to a request, for as long as it takes. */
export interface Responder {
  /** The connection has closed before the response was complete, so that it need not be completed. Idempotent. */
  clientGone(): void
}

/** Serves a request. The result is notified when the client goes away; undefined: there is nothing to notify. */
export type Serve = (request: IncomingMessage, response: ServerResponse) => Responder | undefined

/** Called for each request that is rejected before it is served. */
export type OnRejection = (rejection: ErrorResponse, peer: Socket) => void
