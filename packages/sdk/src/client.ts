import type { Dispatcher } from 'undici'
import { Admission } from './admission/admission.js'
import { Acquirer, type AcquireOptions, type EndpointLease } from './call/acquire.js'
import type { CallOptions } from './call/call-options.js'
import { closeInTime, type Closable, type CloseOptions } from './call/close.js'
import { ClientDispatcher } from './call/dispatcher.js'
import { Execution } from './call/execution.js'
import { Leases } from './call/leases.js'
import { PolicyResolver, type EffectivePolicy } from './call/policy.js'
import { readQuestion, readRequest, type ClientRequestOptions } from './call/request-options.js'
import { parseOptions, type ClientOptions, type Settings } from './client-options.js'
import { systemClock, type Clock } from './clock.js'
import type { Client, ExplainOptions, ServiceDispatcher } from './client-interface.js'
import { Cluster } from './cluster/cluster.js'
import type { Deadline } from './deadline/deadline.js'
import { healthChecks } from './endpoint-checks.js'
import { endpointFactory } from './endpoint-factory.js'
import { asError } from './errors.js'
import { untilReady, type ReadyOptions } from './cluster/readiness.js'
import { RemovalGovernor } from './cluster/removal-governor.js'
import { excluding } from './discovery/excluding.js'
import { processResolver } from './discovery/process-resolvers.js'
import type { Resolver } from './discovery/resolver.js'
import { createFetch, type ServiceFetch } from './fetch/fetch.js'
import { defaultLogger } from './logger.js'
import { DiscoveryListeners, type DiscoveryListener } from './observe/discovery-listeners.js'
import { Events } from './observe/events.js'
import { explain, type PickExplanation } from './observe/explain.js'
import { inspect, type ClientInspection } from './observe/inspect.js'
import { logTo } from './observe/log.js'
import { summaryOf } from './observe/summary.js'
import { systemRandom } from './random.js'
import { admit } from './request/request-rules.js'
import { processBudget } from './process-budgets.js'
import { RecentLatency } from './resilience/recent-latency.js'
import type { RetryBudget } from './resilience/retry-budget.js'
import { summarize } from './runtime/summarize.js'
import { sticky } from './sessions/sticky.js'
import type { Handler } from './transport/handler.js'
import { requireKnown } from './validation/known-names.js'

/**
 * A client that finds the instances of a Consul service and balances over them.
 * It begins to watch at once. Watching does not keep the process alive, nor do idle connections; a request does until
 * its body has been read, and so does waiting for discovery, `ready()` or `close()`.
 *
 * @param service The name in Consul.
 * @throws FairleadError `INVALID_OPTION` for everything that can be refused before the first request.
 * @example
 * ```ts
 * import { createClient } from '@fairlead/sdk'
 *
 * const orders = createClient('orders')
 * const { statusCode, body } = await orders.request({ path: '/v1/orders/42' })
 * console.log(statusCode, await body.json())
 * await orders.close()
 * ```
 */
export function createClient(service: string, options: ClientOptions = {}): Client {
  return new ConsulClient(parseOptions(service, options, process.env))
}

/** A client's entry point for a proxy; only `@fairlead/sdk/internal` exports it. */
export interface Forwarder {
  /**
   * Sends on what a server of `node:http` has read off the wire, by every policy, as `dispatcher.dispatch` does. What
   * such a server lets through is a request that can be sent, so that its head is not looked at again; and the callbacks
   * run in whatever async context they come about in. Both together save 2 to 3 µs a request.
   *
   * @param options A path in origin form; headers as names and values in turn, without those of one hop (`Connection`,
   *   `Transfer-Encoding`, `Expect` and their like); a body that is a Buffer, a `Readable` or null. What undici cannot
   *   send after all fails by its own error, as no failure of an endpoint.
   * @param handler Hears of all that goes wrong, `CLIENT_CLOSED` too.
   * @param deadline By when it has to be answered, whatever `timeoutMs` says. The async context is not asked for one.
   */
  forward(options: CallOptions, handler: Handler, deadline?: Deadline): void
}

/**
 * The forwarder of a client that `createClient` made.
 *
 * @throws TypeError for any other object: a wrapper of a client has no such entry point.
 */
export function forwarderOf(client: Client): Forwarder {
  if (!(client instanceof ConsulClient)) throw new TypeError('not a client of createClient()')
  return client
}

/** What a client is made of, for the load balancer of another library that goes by it: only `grpc/` reads it. */
export interface ClientParts {
  readonly service: string
  readonly cluster: Cluster
  readonly leases: Leases
  readonly policy: { readonly current: EffectivePolicy }
  readonly events: Events
  readonly clock: Clock
  /** Does it take no more requests? */
  readonly closed: () => boolean
}

/**
 * The parts of a client that `createClient` made.
 *
 * @throws TypeError for any other object, as `forwarderOf`.
 */
export function partsOf(client: Client): ClientParts {
  if (!(client instanceof ConsulClient)) throw new TypeError('not a client of createClient()')
  return client.parts
}

const EXPLAINED = ['path', 'method', 'headers', 'query', 'idempotent', 'hashKey', 'caller'] as const

/** Hears of nothing, as a request that is explained is not sent. */
const UNSENT: object = Object.freeze({ onRequestStart: () => undefined })

class ConsulClient implements Client, Forwarder {
  readonly service: string
  readonly dispatcher: ServiceDispatcher
  readonly fetch: ServiceFetch
  readonly parts: ClientParts
  readonly #settings: Settings
  readonly #dispatcher: ClientDispatcher
  readonly #clock: Clock
  readonly #resolver: Resolver
  readonly #policy: PolicyResolver
  readonly #cluster: Cluster
  readonly #budget: RetryBudget
  readonly #admission: Admission | undefined
  readonly #acquirer: Acquirer
  readonly #listeners: DiscoveryListeners
  readonly #closable: Closable

  constructor(settings: Settings) {
    const { service, origins, removal } = settings
    const clock = settings.clock ?? systemClock
    const random = settings.random ?? systemRandom()
    const events = new Events(logTo(settings.logger ?? defaultLogger()))
    this.service = service
    this.#settings = settings
    this.#clock = clock
    this.#listeners = new DiscoveryListeners(clock, events)
    this.#policy = new PolicyResolver(settings, events)
    const resolver = processResolver(settings, clock, events)
    this.#resolver = settings.exclude === undefined ? resolver : excluding(resolver, settings.exclude, events)
    const recent = new RecentLatency(clock)
    this.#budget = processBudget(resolver, service, settings.retry, clock)
    const sessions = settings.sticky === undefined ? undefined : sticky(settings.sticky, service)
    this.#cluster = new Cluster({
      service,
      resolver: this.#resolver,
      policy: this.#policy,
      createEndpoint: endpointFactory({
        settings,
        policy: this.#policy,
        onAvailability: (endpoint, availability) => this.#cluster.availabilityChanged(endpoint, availability),
        recent,
        allowance: () => !this.#cluster.idle && this.#budget.withdraw(clock.now()),
        events,
        clock,
        random,
      }),
      keeper: healthChecks({ settings, policy: this.#policy, events, clock, random }),
      governor: removal === false ? undefined : new RemovalGovernor(removal),
      preconnect: settings.connections.preconnect,
      drainMs: settings.connections.drainMs,
      idleMs: settings.idleMs,
      panicThreshold: settings.panicThreshold,
      outerLayers: sessions === undefined ? [] : [sessions.layer],
      clock,
      random,
      events,
    })
    this.#admission =
      settings.admission && new Admission({ service, settings: settings.admission, events, clock })
    const execution = new Execution({
      cluster: this.#cluster,
      budget: this.#budget,
      admission: this.#admission,
      recent,
      random,
      events,
      clock,
    })
    const leases = new Leases(clock)
    const dispatcher = new ClientDispatcher({
      service,
      origins,
      cluster: this.#cluster,
      execution,
      leases,
      policy: this.#policy,
      filter: sessions?.filter,
      deadlineHeaders: settings.deadlineHeaders,
      events,
      clock,
    })
    // One object of two types, which only their declarations keep apart.
    this.dispatcher = dispatcher as unknown as ServiceDispatcher
    this.#dispatcher = dispatcher
    this.#closable = { service, dispatcher, active: () => execution.active + leases.active, clock, events }
    const closed = (): boolean => dispatcher.closed
    this.parts = { service, cluster: this.#cluster, leases, policy: this.#policy, events, clock, closed }
    this.#acquirer = new Acquirer(this.parts)
    this.fetch = createFetch(service, origins.base, this.dispatcher)
    summarize(this, 'Client', () => summaryOf(this.inspect()))
    this.#cluster.follow()
  }

  request<TOpaque = null>(options: ClientRequestOptions<TOpaque>): Promise<Dispatcher.ResponseData<TOpaque>> {
    let read: Dispatcher.RequestOptions
    try {
      read = readRequest(options, this.#settings)
    } catch (error) {
      return Promise.reject(asError(error))
    }
    return this.dispatcher.request<TOpaque>(read as Dispatcher.RequestOptions<TOpaque>)
  }

  forward(options: CallOptions, handler: Handler, deadline?: Deadline): void {
    this.#dispatcher.forward(options, handler, deadline)
  }

  acquire(options: AcquireOptions = {}): Promise<EndpointLease> {
    return this.#acquirer.acquire(options)
  }

  async ready(options: ReadyOptions = {}): Promise<void> {
    await untilReady(this.service, this.#cluster, options, this.#policy.current.timeoutMs, this.#clock)
  }

  onDiscovery(listener: DiscoveryListener): () => void {
    return this.#listeners.add(listener)
  }

  inspect(): ClientInspection {
    const { service } = this
    return inspect(service, this.#resolver.name, this.#cluster, this.#budget, this.#admission, this.#clock)
  }

  explain(request: ExplainOptions = {}): PickExplanation {
    requireKnown('explain', request, EXPLAINED)
    return explain(this.service, this.#cluster, {
      request: admit(readQuestion(request, this.#settings), UNSENT),
      hasher: this.#policy.current.hasher,
      now: Math.floor(this.#clock.now()),
    })
  }

  close(options: CloseOptions = {}): Promise<void> {
    return closeInTime(this.#closable, options)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
