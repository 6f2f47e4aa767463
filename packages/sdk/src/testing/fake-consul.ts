import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** One query as the agent got it. */
export interface FakeConsulQuery {
  readonly path: string
  /** `index` of the query; undefined: it does not block. */
  readonly index: string | undefined
  readonly wait: string | undefined
  readonly token: string | undefined
}

/** What to do with one query. */
export type FakeConsulStep = (request: IncomingMessage, response: ServerResponse) => void

/**
 * An agent for the faults that a real one will not produce on demand: it plays a script, a step a query, and
 * holds every query after the last.
 */
export class FakeConsul {
  readonly queries: FakeConsulQuery[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #script: FakeConsulStep[]

  private constructor(script: readonly FakeConsulStep[]) {
    this.#script = [...script]
    this.#server = createServer((request, response) => this.#answer(request, response))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Starts an agent on a free port of 127.0.0.1. */
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

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://agent')
    this.queries.push({
      path: url.pathname,
      index: url.searchParams.get('index') ?? undefined,
      wait: url.searchParams.get('wait') ?? undefined,
      token: request.headers['x-consul-token'] as string | undefined,
    })
    this.#script.shift()?.(request, response)
  }
}

/** Answers with a health list under an index. */
export function answer(index: number, entries: readonly object[]): FakeConsulStep {
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'x-consul-index': String(index) })
    response.end(JSON.stringify(entries))
  }
}

/** Answers with a status and a text. */
export function refuse(status: number, text: string, headers: Record<string, string> = {}): FakeConsulStep {
  return (_, response) => {
    response.writeHead(status, headers)
    response.end(text)
  }
}

/** Dies in the middle of an answer. */
export function breakOff(): FakeConsulStep {
  return (_, response) => {
    response.writeHead(200, { 'content-length': '1000', 'x-consul-index': '1' })
    response.write('[{"Node":', () => response.destroy())
  }
}

/** An instance as `/v1/health/service/<name>` lists it. */
export function healthEntry(
  port: number,
  overrides: { readonly node?: object; readonly service?: object; readonly checks?: readonly object[] } = {},
): object {
  return {
    Node: { Node: 'node-1', Address: '10.0.0.1', Datacenter: 'dc1', ...overrides.node },
    Service: {
      ID: `orders-${port}`,
      Service: 'orders',
      Address: '',
      Port: port,
      Tags: [],
      Meta: {},
      Weights: { Passing: 1, Warning: 1 },
      ...overrides.service,
    },
    Checks: overrides.checks ?? [],
  }
}
