import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client, Clock, Logger } from '@fairlead/sdk'
import { incomingDeadline } from '@fairlead/sdk/internal'
import { MAX_TIMEOUT_MS } from '../config/whole-number.js'
import type { Clients } from '../clients.js'
import type { Responder } from '../inbound/responder.js'
import { Forwarding } from './forwarding.js'
import { hasBody, takeBody } from './request-body.js'
import type { Route } from './route.js'

/**
 * Forwards one request, and its response.
 *
 * @throws FairleadError of `Clients.get`, before anything is read or written.
 */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  clients: Clients,
  logger: Logger,
  clock: Clock,
): Responder {
  const client = clients.get(route.service)
  // From the head on: reading a body takes of its time.
  const deadline = incomingDeadline(request.headers, MAX_TIMEOUT_MS, clock)
  const forwarding = new Forwarding(response, route.service, deadline, logger)
  // RFC 9110, 10.1.1: not in HTTP/1.0. Other expectations have been rejected before.
  if (request.headers.expect !== undefined && request.httpVersionMinor > 0) response.writeContinue()
  if (!hasBody(request)) forwarding.send(request, route, client, null)
  else sendWithBody(forwarding, request, response, route, clients)
  return forwarding
}

/** At once, or once the body has been read. */
function sendWithBody(
  forwarding: Forwarding,
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  clients: Clients,
): void {
  takeBody(
    request,
    response,
    (body) => {
      let client: Client
      try {
        // An idle client may have been evicted for another service while the body was read, and is closed then.
        client = clients.get(route.service)
      } catch (error) {
        forwarding.fail(error as Error)
        return
      }
      forwarding.send(request, route, client, body)
    },
    (error) => forwarding.fail(error),
  )
}
