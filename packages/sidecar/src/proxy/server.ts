import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http'
import type { Logger } from '@fairlead/sdk'
import type { Clients } from '../clients.js'
import { badRequest, errorResponse } from './error-response.js'
import { forward, respondError } from './forward.js'
import { route } from './route.js'

// Longer than the applications beside us keep an idle connection, so that they close first and no request of
// theirs meets a connection that is just being closed. nginx's default.
const KEEP_ALIVE_MS = 75_000

/** The server that applications talk to: request, route, client, forward. */
export function createProxyServer(clients: Clients, logger: Logger): Server {
  /** Decides with the head, not with the request: one that is in flight when a drain begins has to say so too. */
  class ClosingResponse extends ServerResponse {
    override writeHead(status: number, ...rest: unknown[]): this {
      // A connection kept alive would bring new requests for ever.
      if (!server.listening) this.shouldKeepAlive = false
      return super.writeHead(status, ...(rest as []))
    }
  }
  const options = { keepAliveTimeout: KEEP_ALIVE_MS, ServerResponse: ClosingResponse }
  const server = createServer(options, (request, response) => {
    handle(request, response, clients, logger)
  })
  // An upload may take as long as it takes; its head may not (headersTimeout, 60 s).
  server.requestTimeout = 0
  return server
}

function handle(request: IncomingMessage, response: ServerResponse, clients: Clients, logger: Logger): void {
  const found = route(request.url ?? '/', request.headers)
  if ('refusal' in found) {
    respondError(response, badRequest(found.refusal, undefined))
    return
  }
  try {
    forward(request, response, found, clients.get(found.service), logger)
  } catch (error) {
    // A name that is none, or one too many.
    respondError(response, errorResponse(error as Error, found.service))
  }
}
