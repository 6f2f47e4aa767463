import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Clock, Logger } from '@fairlead/sdk'
import type { Clients } from '../clients.js'
import type { Responder } from '../inbound/connection.js'
import { badRequest, misdirectedRequest } from '../inbound/error-response.js'
import { answerLog, respondError, type AnswerLog } from '../inbound/own-answer.js'
import type { OwnHosts } from '../inbound/own-hosts.js'
import { createInboundServer } from '../inbound/server.js'
import { errorResponse } from './failure-response.js'
import { forward } from './forward.js'
import { loopRejection } from './loop.js'
import { hasBody } from './request-body.js'
import { route } from './route.js'
import { StalledApplications } from './stalled-applications.js'

/** The server that applications talk to: request, route, client, forward. */
export function createProxyServer(
  clients: Clients,
  hosts: OwnHosts,
  applicationTimeoutMs: number,
  logger: Logger,
  clock: Clock,
): Server {
  const log = answerLog(logger)
  const server = createInboundServer(
    (request, response) => {
      if (stalled !== undefined && hasBody(request)) stalled.awaits(request)
      return handle(request, response, clients, hosts, logger, log)
    },
    logger,
    clock,
  )
  const stalled =
    applicationTimeoutMs === 0
      ? undefined
      : new StalledApplications(server, applicationTimeoutMs, logger, clock)
  // An upload may take as long as it takes while it goes on; its head may not (headersTimeout, 60 s).
  server.requestTimeout = 0
  return server
}

function handle(
  request: IncomingMessage,
  response: ServerResponse,
  clients: Clients,
  hosts: OwnHosts,
  logger: Logger,
  log: AnswerLog,
): Responder | undefined {
  const found = route(request, hosts)
  if ('refusal' in found) {
    const { refusal, misdirected = false } = found
    respondError(response, misdirected ? misdirectedRequest(refusal) : badRequest(refusal, undefined), log)
    return undefined
  }
  const loop = loopRejection(request.headers, found.service)
  if (loop !== undefined) {
    respondError(response, loop, log)
    return undefined
  }
  try {
    return forward(request, response, found, clients, logger)
  } catch (error) {
    // A name that is none, or one too many.
    respondError(response, errorResponse(error as Error, found.service), log)
    return undefined
  }
}
