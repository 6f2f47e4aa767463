import { createServer, type Server } from 'node:http'
import type { Clients } from '../clients.js'

interface Answer {
  readonly status: number
  readonly body: unknown
}

/** The server that people and orchestrators ask. `draining`: is the sidecar on its way out? */
export function createAdminServer(clients: Clients, draining: () => boolean): Server {
  const pages: Readonly<Record<string, () => Answer>> = {
    '/healthz': () => ({ status: 200, body: { healthy: true } }),
    '/readyz': () => {
      const waiting = clients.awaited
      const ready = waiting.length === 0 && !draining()
      return { status: ready ? 200 : 503, body: { ready, draining: draining(), waiting } }
    },
    '/endpoints': () => ({ status: 200, body: { services: clients.inspect() } }),
  }
  return createServer((request, response) => {
    const path = (request.url ?? '/').replace(/\?.*$/, '')
    const page = pages[path]
    const asked = request.method === 'GET' || request.method === 'HEAD'
    const answer = !asked
      ? { status: 405, body: { message: `${String(request.method)} is not GET` } }
      : (page?.() ?? {
          status: 404,
          body: { message: `no such page; there are ${Object.keys(pages).join(', ')}` },
        })
    if (!asked) response.setHeader('allow', 'GET, HEAD')
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(`${JSON.stringify(answer.body, undefined, 2)}\n`)
  })
}
