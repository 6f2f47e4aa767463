import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Clock, Logger } from '@fairlead/sdk'
import type { Clients } from '../clients.js'
import type { Responder } from '../inbound/responder.js'
import { badRequest, misdirectedRequest } from '../inbound/error-response.js'
import { errorLog, respondError, type ErrorLog } from '../inbound/error-writer.js'
import type { OwnHosts } from '../inbound/own-hosts.js'
import { createInboundServer } from '../inbound/server.js'
import { errorResponse } from './failure-response.js'
import { forward } from './forward.js'
import { loopRejection } from './loop.js'
import { hasBody } from './request-body.js'
import { route } from './route.js'
import { StalledApplications } from './stalled-applications.js'

/** The server for applications: routes each request and forwards it by the client of its service. */
export function createProxyServer(
  clients: Clients,
  hosts: OwnHosts,
  applicationTimeoutMs: number,
  logger: Logger,
  clock: Clock,
): Server {
  const log = errorLog(logger)
  const server = createInboundServer(
    (request, response) => {
      if (stalled !== undefined && hasBody(request)) stalled.expectBody(request)
      return handle(request, response, clients, hosts, logger, log, clock)
    },
    logger,
    clock,
  )
  const stalled =
    applicationTimeoutMs === 0
      ? undefined
      : new StalledApplications(server, applicationTimeoutMs, logger, clock)
  // No limit for uploads that make progress; heads have one (headersTimeout, 60 s).
  server.requestTimeout = 0
  return server
}

function handle(
  request: IncomingMessage,
  response: ServerResponse,
  clients: Clients,
  hosts: OwnHosts,
  logger: Logger,
  log: ErrorLog,
  clock: Clock,
): Responder | undefined {
  const found = route(request, hosts)
  if ('reason' in found) {
    const { reason, misdirected = false } = found
    respondError(response, misdirected ? misdirectedRequest(reason) : badRequest(reason, undefined), log)
    return undefined
  }
  const loop = loopRejection(request.headers, found.service)
  if (loop !== undefined) {
    respondError(response, loop, log)
    return undefined
  }
  try {
    return forward(request, response, found, clients, logger, clock)
  } catch (error) {
    // An invalid name, or too many services.
    respondError(response, errorResponse(error as Error, found.service), log)
    return undefined
  }
}
