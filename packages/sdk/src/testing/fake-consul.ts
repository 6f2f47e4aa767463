import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { FakeCatalog } from './fake-catalog.js'
import { answer, type FakeConsulStep } from './fake-consul-steps.js'

/** One request as the agent got it. */
export interface FakeConsulRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** One query of a service's health. */
export interface FakeConsulQuery {
  readonly path: string
  /** `index` of the query; undefined: it does not block. */
  readonly index: string | undefined
  readonly wait: string | undefined
  readonly token: string | undefined
}

const HEALTH = '/v1/health/service/'

/**
 * An agent in your test's own process. A script says what becomes of each query of a service's health, step by step:
 * answers, and every fault that a real agent will not produce on demand. After the script, or without one, it answers
 * from a catalogue that the test fills, with blocking queries as a real agent keeps them. A query that neither knows
 * is held.
 *
 * @example
 * ```ts
 * import { createClient } from '@fairlead/sdk'
 * import { FakeConsul, healthEntry } from '@fairlead/sdk/testing'
 *
 * const agent = await FakeConsul.start()
 * agent.serve('orders', [healthEntry(8080, { service: { Address: '127.0.0.1' } })])
 * await using orders = createClient('orders', { consul: { address: agent.address } })
 * await orders.ready()
 * agent.serve('orders', []) // a change that the client hears of at once
 * await agent.close()
 * ```
 */
export class FakeConsul {
  /** Every request, in order. */
  readonly requests: FakeConsulRequest[] = []
  /** Of these, the queries of a service's health. */
  readonly queries: FakeConsulQuery[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #script: FakeConsulStep[]
  readonly #routes = new Map<string, FakeConsulStep[]>()
  readonly #catalog = new FakeCatalog()
  #open = 0

  private constructor(script: readonly FakeConsulStep[]) {
    this.#script = [...script]
    this.#server = createServer((request, response) => this.#answer(request, response))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Starts an agent on a free port of 127.0.0.1. @param script What becomes of the first queries of health. */
  static async start(...script: readonly FakeConsulStep[]): Promise<FakeConsul> {
    const agent = new FakeConsul(script)
    agent.#server.listen(0, '127.0.0.1')
    await once(agent.#server, 'listening')
    return agent
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sockets.size
  }

  /** Requests that have not been answered, or not to the end. */
  get pending(): number {
    return this.#open
  }

  /** The next queries of health take these steps, after those that are left of the script. */
  script(...steps: readonly FakeConsulStep[]): void {
    this.#script.push(...steps)
  }

  /** What becomes of the next requests to another route, such as `PUT /v1/agent/service/register`; then it holds. */
  on(route: string, ...steps: readonly FakeConsulStep[]): void {
    this.#routes.set(route, [...steps])
  }

  /** The instances of a service are these from now on; blocking queries hear of it at once. */
  serve(service: string, entries: readonly object[]): void {
    this.#catalog.set(service, entries)
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname: path, searchParams: query } = new URL(request.url ?? '/', 'http://agent')
    const method = request.method ?? 'GET'
    this.requests.push({ method, path, query, headers: request.headers })
    this.#open++
    response.once('close', () => this.#open--)
    const service = path.startsWith(HEALTH) ? decodeURIComponent(path.slice(HEALTH.length)) : undefined
    if (service === undefined) {
      const route = `${method} ${path}`
      const step = this.#routes.get(route)?.shift()
      if (step !== undefined) step(request, response)
      // As with most agents nobody has written a service-resolver, and nobody will.
      else if (route === 'GET /v1/config/service-resolver' && !query.has('index'))
        answer(1, [])(request, response)
      return
    }
    this.queries.push({
      path,
      index: query.get('index') ?? undefined,
      wait: query.get('wait') ?? undefined,
      token: request.headers['x-consul-token'] as string | undefined,
    })
    const step = this.#script.shift()
    if (step === undefined) this.#catalog.answer(service, query, response)
    else step(request, response)
  }
}
