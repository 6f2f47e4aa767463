import type { Balancer, Random, Resolver } from '@fairlead/sdk'
import { ClientDispatcher } from '#sdk/call/dispatcher.js'
import { Execution } from '#sdk/call/execution.js'
import { Leases } from '#sdk/call/leases.js'
import { PolicyResolver } from '#sdk/call/policy.js'
import { parseOptions, type ClientOptions } from '#sdk/client-options.js'
import { Cluster } from '#sdk/cluster/cluster.js'
import { Classifier } from '#sdk/endpoint/classify.js'
import { Endpoint, type EndpointDependencies } from '#sdk/endpoint/endpoint.js'
import { Events } from '#sdk/observe/events.js'
import { opossumBreaker } from '#sdk/resilience/opossum-breaker.js'
import { outlierDetection } from '#sdk/resilience/outlier/detector.js'
import { RecentLatency } from '#sdk/resilience/recent-latency.js'
import { RetryBudget } from '#sdk/resilience/retry-budget.js'
import { LoopWatch } from '#sdk/runtime/loop-watch.js'
import { SimRequest } from './request.js'
import type { SimServer } from './server.js'
import { settledBreaker } from './settled-breaker.js'
import type { Tally } from './tally.js'
import type { Timeline } from './timeline.js'
import { SimTransport } from './transport.js'

/** What a client does about endpoints that fail. */
export type Resilience = Pick<ClientOptions, 'breaker' | 'outlierDetection' | 'retry'>

export interface SimClientOptions {
  readonly balancer: Balancer
  readonly timeoutMs: number
  readonly resilience: Resilience
  readonly timeline: Timeline
  /** Of picks. */
  readonly random: Random
  /** Of how long what fails is left alone. */
  readonly jitter: Random
}

/** Yields nothing: the simulation updates the cluster itself. */
const resolver: Resolver = {
  name: 'the simulation',
  async *watch(_service, signal) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  },
}

/** One client: the SDK's own parts, put together as `createClient` does, over a network and a clock that are simulated. */
export class SimClient {
  readonly #timeline: Timeline
  readonly #cluster: Cluster
  readonly #dispatcher: ClientDispatcher
  /** By the key of their instance. */
  readonly #servers = new Map<string, SimServer>()

  constructor({ balancer, timeoutMs, resilience, timeline, random, jitter }: SimClientOptions) {
    this.#timeline = timeline
    const settings = parseOptions('orders', { balancer, timeoutMs, ...resilience }, {})
    const { service, origins, retry, breaker, outlierDetection: outliers, panicThreshold } = settings
    const events = new Events()
    const policy = new PolicyResolver(settings, events)
    const recent = new RecentLatency(timeline)
    const dependencies: EndpointDependencies = {
      recent,
      createTransport: ({ key }) => new SimTransport(this.#serverOf(key), timeline),
      makeBreaker:
        breaker === false
          ? undefined
          : settledBreaker(opossumBreaker(breaker, { clock: timeline, random: jitter }), timeline),
      judges: outliers === false ? [] : [outlierDetection(outliers, timeline, jitter)],
      classifier: new Classifier(),
      onObserverFailed: (error) => {
        throw error
      },
      onAvailability: (endpoint, availability) => this.#cluster.availabilityChanged(endpoint, availability),
      loop: new LoopWatch(timeline),
      clock: timeline,
    }
    this.#cluster = new Cluster({
      service,
      resolver,
      policy,
      createEndpoint: (instance, seedMs, usableSince) =>
        new Endpoint(instance, seedMs, usableSince, dependencies),
      governor: undefined,
      idleMs: Infinity,
      panicThreshold,
      outerLayers: [],
      clock: timeline,
      random,
      events,
    })
    const { budgetRatio: ratio, budgetMinPerSecond: minPerSecond } = retry
    const budget = new RetryBudget({ ratio, minPerSecond, ttlMs: 10_000 }, timeline.now())
    const execution = new Execution({
      cluster: this.#cluster,
      budget,
      recent,
      random,
      events,
      clock: timeline,
    })
    this.#dispatcher = new ClientDispatcher({
      service,
      origins,
      cluster: this.#cluster,
      execution,
      leases: new Leases(timeline),
      policy,
      events,
      clock: timeline,
    })
    this.#cluster.follow()
  }

  get endpoints(): readonly Endpoint[] {
    return this.#cluster.endpoints
  }

  /** Takes in what the registry says. At once: sets that are taken in by and by are larger than any here. */
  update(servers: readonly SimServer[]): void {
    for (const server of servers) this.#servers.set(server.instance.key, server)
    const instances = servers.map(({ instance }) => instance)
    void this.#cluster.update({ kind: 'snapshot', instances, excluded: [] })
  }

  send(workUs: number, tally: Tally): void {
    const request = new SimRequest(workUs, tally, this.#timeline)
    this.#dispatcher.forward(request.options, request)
  }

  #serverOf(key: string): SimServer {
    const server = this.#servers.get(key)
    if (server === undefined) throw new Error(`no server of the simulation is ${key}`)
    return server
  }
}
