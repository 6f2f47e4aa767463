import type { Server } from 'node:http'
import type { Clock, Logger } from '@fairlead/sdk'
import type { Clients } from '../clients.js'
import type { Serve } from '../inbound/responder.js'
import { misdirectedRequest } from '../inbound/error-response.js'
import { errorLog, respondError } from '../inbound/error-writer.js'
import type { OwnHosts } from '../inbound/own-hosts.js'
import { createInboundServer } from '../inbound/server.js'

// Not for pages of other origins to embed, whatever type the browser guesses.
const HEADERS = {
  'content-type': 'application/json',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
}

interface Page {
  readonly status: number
  readonly body: unknown
}

/** The server for operators and orchestrators. `draining`: the sidecar is shutting down. */
export function createAdminServer(
  clients: Clients,
  draining: () => boolean,
  hosts: OwnHosts,
  logger: Logger,
  clock: Clock,
): Server {
  const pages: Readonly<Record<string, (query: URLSearchParams) => Page>> = {
    '/healthz': () => ({ status: 200, body: { healthy: true } }),
    '/readyz': () => {
      const waiting = clients.awaited
      const ready = waiting.length === 0 && !draining()
      return { status: ready ? 200 : 503, body: { ready, draining: draining(), waiting } }
    },
    '/endpoints': () => ({ status: 200, body: { services: clients.inspect() } }),
    '/explain': (query) => explain(clients, query),
  }
  const log = errorLog(logger)
  const serve: Serve = (request, response) => {
    const host = request.headers.host ?? ''
    if (!hosts.includes(host)) {
      respondError(
        response,
        misdirectedRequest(
          `its Host is ${JSON.stringify(host.slice(0, 80))}, which this sidecar does not accept: use an address, or allow the name by --allowed-host`,
        ),
        log,
      )
      return
    }
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2)
    const page = pages[path]
    const readable = request.method === 'GET' || request.method === 'HEAD'
    const answer = !readable
      ? { status: 405, body: { message: `${String(request.method)} is not supported: use GET` } }
      : (page?.(new URLSearchParams(query)) ?? {
          status: 404,
          body: { message: `there is no such page: use ${Object.keys(pages).join(', ')}` },
        })
    if (!readable) response.setHeader('allow', 'GET, HEAD')
    response.writeHead(answer.status, HEADERS)
    response.end(`${JSON.stringify(answer.body, undefined, 2)}\n`)
  }
  return createInboundServer(serve, logger, clock)
}

/** Explains the pick for such a request; sends nothing. */
function explain(clients: Clients, query: URLSearchParams): Page {
  const service = query.get('service')
  if (service === null) {
    return {
      status: 400,
      body: { message: 'it must name a service: /explain?service=orders&path=/v1/orders/42' },
    }
  }
  const client = clients.find(service)
  if (client === undefined) {
    return {
      status: 404,
      body: {
        message: `${service} has had no request yet, and is not a --service: send a request to it first`,
      },
    }
  }
  const path = query.get('path') ?? '/'
  return { status: 200, body: client.explain({ path, hashKey: query.get('key') ?? undefined }) }
}
