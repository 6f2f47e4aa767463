import type { Server } from 'node:http'
import type { Clock, Logger } from '@fairlead/sdk'
import type { Clients } from '../clients.js'
import type { Serve } from '../inbound/connection.js'
import { misdirectedRequest } from '../inbound/error-response.js'
import { answerLog, respondError } from '../inbound/own-answer.js'
import type { OwnHosts } from '../inbound/own-hosts.js'
import { createInboundServer } from '../inbound/server.js'

// Nor is it for pages of other origins to embed, whatever the browser takes it for.
const HEADERS = {
  'content-type': 'application/json',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

/** The server that people and orchestrators ask. `draining`: is the sidecar on its way out? */
export function createAdminServer(
  clients: Clients,
  draining: () => boolean,
  hosts: OwnHosts,
  logger: Logger,
  clock: Clock,
): Server {
  const pages: Readonly<Record<string, (query: URLSearchParams) => Answer>> = {
    '/healthz': () => ({ status: 200, body: { healthy: true } }),
    '/readyz': () => {
      const waiting = clients.awaited
      const ready = waiting.length === 0 && !draining()
      return { status: ready ? 200 : 503, body: { ready, draining: draining(), waiting } }
    },
    '/endpoints': () => ({ status: 200, body: { services: clients.inspect() } }),
    '/explain': (query) => explain(clients, query),
  }
  const log = answerLog(logger)
  const serve: Serve = (request, response) => {
    const host = request.headers.host ?? ''
    if (!hosts.includes(host)) {
      respondError(
        response,
        misdirectedRequest(
          `its Host is ${JSON.stringify(host.slice(0, 80))}, which is no name of this sidecar: ask by an address, or allow the name by --allowed-host`,
        ),
        log,
      )
      return
    }
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2)
    const page = pages[path]
    const asked = request.method === 'GET' || request.method === 'HEAD'
    const answer = !asked
      ? { status: 405, body: { message: `${String(request.method)} is not GET` } }
      : (page?.(new URLSearchParams(query)) ?? {
          status: 404,
          body: { message: `no such page; there are ${Object.keys(pages).join(', ')}` },
        })
    if (!asked) response.setHeader('allow', 'GET, HEAD')
    response.writeHead(answer.status, HEADERS)
    response.end(`${JSON.stringify(answer.body, undefined, 2)}\n`)
  }
  return createInboundServer(serve, logger, clock)
}

/** How a pick for a request like this would come about; nobody is sent anything. */
function explain(clients: Clients, query: URLSearchParams): Answer {
  const service = query.get('service')
  if (service === null) {
    return {
      status: 400,
      body: { message: 'it must say which service: /explain?service=orders&path=/v1/orders/42' },
    }
  }
  const client = clients.find(service)
  if (client === undefined) {
    return { status: 404, body: { message: `nobody has asked for ${service} yet, nor is it a --service` } }
  }
  const path = query.get('path') ?? '/'
  return { status: 200, body: client.explain({ path, hashKey: query.get('key') ?? undefined }) }
}
