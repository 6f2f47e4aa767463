import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { systemClock, type Clock } from '../clock.js'
import { FakeCatalog, LOCAL_DATACENTER, type FakeHealth, type FakePlace } from './fake-catalog.js'
import { FakeConfig } from './fake-config.js'
import { headersOf, isStreamed, sayAsNewer, type FakeBackend } from './fake-backend.js'
import { hold, refuse, respond, type FakeConsulStep } from './fake-consul-steps.js'
import { RestartableServer, type RestartableServerOptions } from './restartable-server.js'

/** How a {@link FakeConsul} listens, which Consul it is like, and which faults it begins with. */
export interface FakeConsulOptions extends RestartableServerOptions {
  /** What becomes of the first queries of health. */
  readonly script?: readonly FakeConsulStep[]
  /** As which Consul it speaks. Default `blocking-query`. */
  readonly backend?: FakeBackend
  /** For how long queries wait. Default: the machine's; a `ManualClock` lets a test move hours on. */
  readonly clock?: Clock
}

/** One request as the agent got it. */
export interface FakeConsulRequest {
  /** In capitals, such as `GET`. */
  readonly method: string
  /** Without its query, such as `/v1/health/service/orders`. */
  readonly path: string
  /** The query's parameters. */
  readonly query: URLSearchParams
  /** As `node:http` has them: names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The common name in the client's certificate. */
  readonly clientName: string | undefined
}

/** One query of a service's health. */
export interface FakeConsulQuery extends FakeConsulRequest {
  /** The service of the query, decoded. */
  readonly service: string
  /** `index` of the query; undefined: it does not block. */
  readonly index: string | undefined
  /** `wait` of the query as it was sent, such as `60000ms`; undefined: it was not given. */
  readonly wait: string | undefined
  /** The ACL token in `X-Consul-Token`; undefined: it was not given. */
  readonly token: string | undefined
}

const HEALTH = '/v1/health/service/'
const CHAIN = '/v1/discovery-chain/'

/**
 * An agent in your test's own process. It keeps a catalogue that the test fills ({@link serve}, {@link configure})
 * and answers from it as a real agent does, with blocking queries. A script says what becomes of the next queries of
 * health instead, step by step: every fault that a real agent will not produce on demand.
 *
 * While nothing has been served, what comes after a script is held: nothing more happens.
 *
 * @example
 * ```ts
 * import { createClient } from '@fairlead/sdk'
 * import { FakeConsul, healthEntry, noClusterLeader } from '@fairlead/sdk/testing'
 *
 * const agent = await FakeConsul.start()
 * const local = { service: { Address: '127.0.0.1' } }
 * agent.serve('orders', [healthEntry(8080, local)])
 * const orders = createClient('orders', { consul: { address: agent.address } })
 * await orders.ready()
 *
 * agent.serve('orders', [healthEntry(8080, local), healthEntry(8081, local)]) // the client hears of it at once
 * agent.script(noClusterLeader(), noClusterLeader()) // the next two queries fail, then it goes on
 * await agent.restart({ wiped: true }) // an agent that has lost all it knew, its index with it
 * await agent.close()
 * ```
 */
export class FakeConsul {
  /** Every request, in order. */
  readonly requests: FakeConsulRequest[] = []
  /** Of these, the queries of a service's health. */
  readonly queries: FakeConsulQuery[] = []
  readonly #server: RestartableServer
  /** What has no whole answer yet, and of which service it is. */
  readonly #open = new Map<ServerResponse, string | undefined>()
  readonly #script: FakeConsulStep[]
  readonly #routes = new Map<string, FakeConsulStep[]>()
  readonly #catalog: FakeCatalog
  readonly #config: FakeConfig
  readonly #backend: FakeBackend
  #scripted: boolean
  #served = false
  #unheard: (() => void)[] | undefined

  private constructor(options: FakeConsulOptions) {
    const { script = [], backend = 'blocking-query', clock = systemClock } = options
    this.#script = [...script]
    this.#scripted = script.length > 0
    this.#backend = backend
    this.#catalog = new FakeCatalog(clock, backend)
    this.#config = new FakeConfig(clock)
    this.#server = new RestartableServer(options, (request, response) => this.#receive(request, response))
  }

  /** Starts an agent on a free port of 127.0.0.1. @param script What becomes of the first queries of health. */
  static start(...script: readonly FakeConsulStep[]): Promise<FakeConsul> {
    return FakeConsul.open({ script })
  }

  /**
   * Starts an agent as the options say.
   *
   * @example
   * ```ts
   * import { FakeConsul, ManualClock } from '@fairlead/sdk/testing'
   *
   * const clock = new ManualClock()
   * const agent = await FakeConsul.open({ clock, socketPath: '/tmp/agent.sock' })
   * ```
   */
  static async open(options: FakeConsulOptions): Promise<FakeConsul> {
    const agent = new FakeConsul(options)
    await agent.resume()
    return agent
  }

  /** For the option `consul.address`. */
  get address(): string {
    return this.#server.address
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#server.connections
  }

  /** Requests that have not been answered, or not to the end. */
  get pending(): number {
    return this.#unanswered().length
  }

  /** Requests of which not even the head of an answer has been sent, such as blocking queries. */
  get held(): number {
    return this.#unanswered().filter(([response]) => !response.headersSent).length
  }

  /** The index of the catalogue. */
  get index(): number {
    return this.#catalog.index
  }

  /** Is a query of this service's health held? */
  holds(service: string): boolean {
    return this.#unanswered().some(([, name]) => name === service)
  }

  /** The next queries of health take these steps, after those that are left of the script. */
  script(...steps: readonly FakeConsulStep[]): void {
    this.#scripted = true
    this.#script.push(...steps)
  }

  /** What becomes of the next requests to another route, such as `PUT /v1/agent/service/register`; then it holds. */
  on(route: string, ...steps: readonly FakeConsulStep[]): void {
    this.#routes.set(route, [...steps])
  }

  /** Forgets what {@link on} said of a route. */
  off(route: string): void {
    this.#routes.delete(route)
  }

  /**
   * The instances of a service are these from now on, see {@link healthEntry}; blocking queries hear of it at once.
   * Or a fault: what becomes of every query for them, such as {@link noClusterLeader}. Of the parameters of a query the catalogue understands `dc`, `peer`, `tag`, `passing`, `index` and `wait`.
   *
   * @param place Default: the agent's own datacenter, dc1.
   */
  serve(service: string, health: FakeHealth, place: FakePlace = {}): void {
    this.#served = true
    this.#catalog.set(service, health, place)
  }

  /** The service has a `service-resolver`, which compiles to this chain; undefined: it has none any more. */
  configure(service: string, chain: object | undefined): void {
    this.#config.set(service, chain)
  }

  /** What each answer of the catalogue says of itself from now on, such as {@link noLeader}; `{}`: nothing unusual. */
  say(headers: Readonly<Record<string, string>>): void {
    this.#catalog.say(headers)
  }

  /** Takes requests and says nothing, as an agent that hangs. */
  silence(): void {
    this.#unheard ??= []
  }

  /** Answers again, what has come meanwhile as well. */
  speak(): void {
    const unheard = this.#unheard ?? []
    this.#unheard = undefined
    for (const answer of unheard) answer()
  }

  /** Dies silently: connections break, and new ones are refused. */
  stop(): Promise<void> {
    return this.#server.stop()
  }

  /** Comes back under the same address. */
  resume(): Promise<void> {
    return this.#server.start()
  }

  /** Dies and comes back. `wiped`: without its data, so that its index begins anew and below. */
  async restart({ wiped = false }: { readonly wiped?: boolean } = {}): Promise<void> {
    await this.stop()
    if (wiped) {
      this.#catalog.wipe()
      this.#config.wipe()
    }
    await this.resume()
  }

  /** Ends for good. */
  async close(): Promise<void> {
    if (this.#server.listening) await this.stop()
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #unanswered(): [ServerResponse, string | undefined][] {
    return [...this.#open].filter(([response]) => !response.writableEnded && !response.destroyed)
  }

  #receive(incoming: IncomingMessage, response: ServerResponse): void {
    const { pathname: path, searchParams: query } = new URL(incoming.url ?? '/', 'http://agent')
    const { method = 'GET', headers } = incoming
    const request = { method, path, query, headers, clientName: clientNameOf(incoming.socket) }
    const service = path.startsWith(HEALTH) ? decodeURIComponent(path.slice(HEALTH.length)) : undefined
    this.requests.push(request)
    if (service !== undefined) {
      const token = headers['x-consul-token'] as string | undefined
      const [index, wait] = [query.get('index') ?? undefined, query.get('wait') ?? undefined]
      this.queries.push({ ...request, service, index, wait, token })
    }
    for (const [name, value] of Object.entries(headersOf(this.#backend, path)))
      response.setHeader(name, value)
    if (this.#backend === 'streaming')
      sayAsNewer(response, service !== undefined && isStreamed('streaming', query))
    this.#open.set(response, service)
    response.once('close', () => this.#open.delete(response))
    const answer = (): void => this.#stepFor(request, service)(incoming, response)
    if (this.#unheard === undefined) answer()
    else this.#unheard.push(answer)
  }

  #stepFor({ method, path, query }: FakeConsulRequest, service: string | undefined): FakeConsulStep {
    const route = `${method} ${path}`
    if (service !== undefined) {
      const known: FakeConsulStep = (request, response) =>
        this.#catalog.answer(service, query, request, response)
      return this.#script.shift() ?? (this.#scripted && !this.#served ? hold() : known)
    }
    const steps = this.#routes.get(route)
    // What a test has said something of ends with that.
    if (steps !== undefined) return steps.shift() ?? hold()
    if (route === 'GET /v1/config/service-resolver')
      return (_, response) => this.#config.answerList(query, response)
    if (path.startsWith(CHAIN)) {
      const name = decodeURIComponent(path.slice(CHAIN.length))
      return (_, response) => this.#config.answerChain(name, response)
    }
    if (route === 'GET /v1/agent/self')
      return (_, response) => respond(response, undefined, { Config: { Datacenter: LOCAL_DATACENTER } })
    return refuse(404, '')
  }
}

function clientNameOf(socket: Socket): string | undefined {
  if (!('getPeerCertificate' in socket)) return undefined
  const { subject } = (socket as TLSSocket).getPeerCertificate() as { subject?: { CN?: string } }
  return subject?.CN
}
