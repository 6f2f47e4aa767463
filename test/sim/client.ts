import type { Balancer, Random } from '@fairlead/sdk'
import { tiers, type TieredPicker } from '#sdk/balance/priorities/priorities.js'
import { Beat } from '#sdk/cluster/ticker.js'
import { Deadlines } from '#sdk/resilience/deadline.js'
import { RetryBudget } from '#sdk/resilience/retry-budget.js'
import { CIRCUIT, simCircuit } from './circuit.js'
import { SimEndpoint, type SimEndpointKit } from './endpoint.js'
import { SimRequest, type RequestOwner } from './request.js'
import type { SimServer } from './server.js'
import type { Tally } from './tally.js'
import type { Timeline } from './timeline.js'
import { Visit, type Sender } from './visit.js'

export interface SimClientOptions {
  readonly balancer: Balancer
  readonly timeoutMs: number
  readonly timeline: Timeline
  readonly random: Random
}

// The defaults of `createClient`.
const ATTEMPTS = 2
const BUDGET = { ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 }
const SEED_MS = 30

// As `EndpointSet` has it.
const LONG_SINCE = -(2 ** 30)

const TIERS = { leftOut: new Map<number, number>(), panicThreshold: 0.5 }

const NONE: readonly never[] = Object.freeze([])

/** One client: the real balancer over endpoints of its own, with retries and deadlines as `execute.ts` has them. */
export class SimClient implements Sender, RequestOwner {
  readonly #options: SimClientOptions
  readonly #kit: SimEndpointKit
  readonly #deadlines: Deadlines
  readonly #budget: RetryBudget
  #endpoints = new Map<SimServer, SimEndpoint>()
  #picker: TieredPicker<SimEndpoint> | undefined

  constructor(options: SimClientOptions) {
    const { timeline } = options
    this.#options = options
    this.#deadlines = new Deadlines(options.timeoutMs, timeline)
    this.#budget = new RetryBudget(BUDGET, timeline.now())
    this.#kit = {
      timeline,
      makeCircuit: simCircuit(CIRCUIT, timeline),
      onAvailability: () => this.#refresh(),
    }
    new Beat(timeline, () => this.#refresh()).start()
  }

  get endpoints(): readonly SimEndpoint[] {
    return [...this.#endpoints.values()]
  }

  /** Takes in what the registry says: who was known keeps its endpoint. */
  update(servers: readonly SimServer[]): void {
    const seedMs = this.#typicalLatency()
    // What is there at the beginning is not new.
    const since = this.#picker === undefined ? LONG_SINCE : Math.floor(this.#options.timeline.now())
    this.#endpoints = new Map(
      servers.map((server) => [
        server,
        this.#endpoints.get(server) ?? new SimEndpoint(server, seedMs, since, this.#kit),
      ]),
    )
    const { balancer, random } = this.#options
    this.#picker = tiers(balancer, this.endpoints, TIERS, random)
  }

  send(workUs: number, tally: Tally): void {
    const now = this.#options.timeline.now()
    const request = new SimRequest(workUs, tally, now, this)
    tally.arrived++
    this.#deadlines.add(request, now)
    this.#budget.deposit(now)
    this.#attempt(request)
  }

  returned(visit: Visit): void {
    if (visit.abandoned) return
    const { request, endpoint, ending } = visit
    endpoint.end(visit, ending === 'success' ? 'success' : 'failure')
    // A response is a response, whatever its status, and never tried again.
    if (ending === 'success' || ending === 'error') this.#close(request, ending)
    else this.#retry(request, endpoint, ending)
  }

  expired(request: SimRequest): void {
    const { visit } = request
    if (visit !== undefined) {
      visit.abandoned = true
      visit.endpoint.end(visit, 'failure')
    }
    this.#close(request, 'deadline')
  }

  #attempt(request: SimRequest): void {
    const endpoint = this.#pick(request)
    if (endpoint === undefined) {
      this.#close(request, 'no endpoint')
      return
    }
    const permit = endpoint.begin()
    if (permit === undefined) {
      this.#retry(request, endpoint, 'refused')
      return
    }
    request.tally.sent(endpoint.server)
    request.visit = new Visit(request, endpoint, permit, this, this.#options.timeline)
  }

  /** One that has not failed this request already, or else one that has. */
  #pick(request: SimRequest): SimEndpoint | undefined {
    const endpoint = this.#picker?.pick(request)
    if (endpoint !== undefined || request.tried.length === 0) return endpoint
    return this.#picker?.pick({ now: request.now, tried: NONE })
  }

  #retry(request: SimRequest, endpoint: SimEndpoint, ending: 'refused' | 'reset'): void {
    const now = this.#options.timeline.now()
    request.tried = [...request.tried, endpoint]
    request.now = Math.floor(now)
    request.visit = undefined
    // What was not written is free, and all requests here are idempotent.
    const may = request.tried.length < ATTEMPTS && (ending === 'refused' || this.#budget.withdraw(now))
    if (may) this.#attempt(request)
    else this.#close(request, ending)
  }

  #close(request: SimRequest, ending: Parameters<Tally['closed']>[0]): void {
    this.#deadlines.remove(request)
    request.tally.closed(ending, this.#options.timeline.now() - request.startedMs)
  }

  #refresh(): void {
    this.#picker?.refresh(Math.floor(this.#options.timeline.now()))
  }

  /** What a new endpoint is taken for: the mean of its peers (`EndpointSet`). */
  #typicalLatency(): number {
    const now = this.#options.timeline.now()
    const measured = this.endpoints.filter((endpoint) => endpoint.used)
    if (measured.length === 0) return SEED_MS
    return measured.reduce((sum, endpoint) => sum + endpoint.estimateUs(now), 0) / measured.length / 1000
  }
}
