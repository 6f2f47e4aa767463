import type { Dispatcher } from 'undici'
import type { CallOptions } from './call/call.js'
import { closeInTime, type Closable, type CloseOptions } from './call/close.js'
import { ClientDispatcher } from './call/dispatcher.js'
import { Execution } from './call/execution.js'
import { PolicyResolver } from './call/policy.js'
import { wrongRequest, type ClientRequestOptions } from './call/request-options.js'
import { parseOptions, type ClientOptions, type Settings } from './client-options.js'
import { inBackground, systemClock, type Clock } from './clock.js'
import { Cluster } from './cluster/cluster.js'
import type { EndpointFactory } from './cluster/endpoint-set.js'
import { untilReady, type ReadyOptions } from './cluster/readiness.js'
import { RemovalGovernor } from './cluster/removal-governor.js'
import { excluding } from './discovery/excluding.js'
import { processResolver } from './discovery/process-resolvers.js'
import type { Resolver } from './discovery/resolver.js'
import { Classifier } from './endpoint/classify.js'
import type { Restriction } from './endpoint/availability.js'
import { Endpoint, type EndpointDependencies } from './endpoint/endpoint.js'
import { createFetch, type ServiceFetch } from './fetch/fetch.js'
import { withLastingHeaders } from './hashing/request-fields.js'
import { defaultLogger } from './logger.js'
import { DiscoveryListeners, type DiscoveryListener } from './observe/discovery-listeners.js'
import { Events } from './observe/events.js'
import { explain, type PickExplanation } from './observe/explain.js'
import { inspect, type ClientInspection } from './observe/inspect.js'
import { logTo } from './observe/log.js'
import { summaryOf } from './observe/summary.js'
import { systemRandom } from './random.js'
import { opossumBreaker } from './resilience/opossum-breaker.js'
import { RetryBudget } from './resilience/retry-budget.js'
import { LoopWatch } from './runtime/loop-watch.js'
import { summarize } from './runtime/summarize.js'
import { sticky } from './sessions/sticky.js'
import { tcpConnector } from './transport/connector.js'
import type { Handler } from './transport/handler.js'
import { http1 } from './transport/http1.js'
import { requireKnown } from './validation/known-names.js'

/** What of a request a pick may depend on. All of it may be left out. */
export type ExplainOptions = Partial<
  Pick<ClientRequestOptions, 'path' | 'method' | 'headers' | 'query' | 'idempotent' | 'hashKey' | 'caller'>
>

// TypeScript's default `lib` has the DOM's `RequestInit`, which knows no dispatcher, and @types/node then adds nothing to
// it; without the DOM it does. The same question as there, and the same way to add to an interface or leave it.
type DispatcherOfDom = typeof globalThis extends { onmessage: unknown }
  ? {
      /** What sends the request, such as `client.dispatcher`. Default: undici's global one. */
      dispatcher?: Dispatcher | undefined
    }
  : // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- Nothing is to be added.
    {}

declare global {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- What it adds depends on the program.
  interface RequestInit extends DispatcherOfDom {}
}

/**
 * An undici `Dispatcher`, for undici's own APIs and for the global `fetch` alike: the types of the two come from
 * different versions of undici, and neither takes the other's.
 */
export type ServiceDispatcher = Dispatcher &
  (RequestInit extends { dispatcher?: infer D } ? NonNullable<D> : unknown)

/** A client of one Consul service. */
export interface Client extends AsyncDisposable {
  /** The service's name in Consul, as given to `createClient`. */
  readonly service: string
  /** An undici `Dispatcher` with every policy in it: for `fetch`, for undici's APIs, and for its interceptors. */
  readonly dispatcher: ServiceDispatcher
  /**
   * undici's `request`: a status code, headers and a body that is a stream.
   *
   * @throws FairleadError `NO_ENDPOINTS`, `CIRCUIT_OPEN`, `DEADLINE_EXCEEDED`, `ATTEMPTS_EXHAUSTED`, `CLIENT_CLOSED`;
   *   whatever `signal` was aborted with; undici's own errors for a request that cannot be sent to anyone, and
   *   with `retry: false` for one that failed, with `service` and `endpoint` on it.
   */
  request<TOpaque = null>(options: ClientRequestOptions<TOpaque>): Promise<Dispatcher.ResponseData<TOpaque>>
  /**
   * The standard's `fetch`, on an endpoint of this service; bound or not, so that whatever takes a `fetch` takes it.
   * Takes `timeoutMs`, `idempotent` and `hashKey` as well.
   *
   * @param input A path such as `/v1/orders/42`, a URL of this service, `http://<service>/...`, or a `Request` of one.
   * @throws TypeError whose `cause` is what `request` would throw; whatever `signal` was aborted with.
   */
  readonly fetch: ServiceFetch
  /**
   * Resolves when discovery has answered for the first time, also when it knows no instance (a warning is logged then);
   * with `minInstances` when it knows so many.
   *
   * @throws FairleadError `NO_ENDPOINTS` when that takes longer than `timeoutMs`, saying why; `CLIENT_CLOSED`;
   *   `INVALID_OPTION`.
   */
  ready(options?: ReadyOptions): Promise<void>
  /**
   * Calls back after every change of the set of instances, of what they are, or of how far they can be trusted.
   * A listener that throws is logged, and stops no other. Returns how to stop.
   */
  onDiscovery(listener: DiscoveryListener): () => void
  /** The client as it stands; plain data. */
  inspect(): ClientInspection
  /**
   * Makes one pick as a request like this one would, and tells how it came about: what was compared, what was skipped,
   * and why. Nothing is sent; whose turn it is moves on by one.
   */
  explain(request?: ExplainOptions): PickExplanation
  /**
   * Takes no more requests, lets those in flight finish, and stops watching. What has not finished within `timeoutMs`
   * (default 25,000) is aborted with `CLIENT_CLOSED`, also a response whose body is not read. Resolves then, and at
   * once where the client is closed already. `dispatcher.close()` is undici's, without a limit.
   *
   * @throws FairleadError `INVALID_OPTION` for a limit that is not a number of milliseconds.
   */
  close(options?: CloseOptions): Promise<void>
}

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
   */
  forward(options: CallOptions, handler: Handler): void
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

const EXPLAINED = ['path', 'method', 'headers', 'query', 'idempotent', 'hashKey', 'caller'] as const

class ConsulClient implements Client, Forwarder {
  readonly service: string
  readonly dispatcher: ServiceDispatcher
  readonly fetch: ServiceFetch
  readonly #dispatcher: ClientDispatcher
  readonly #settings: Settings
  readonly #clock: Clock
  readonly #resolver: Resolver
  readonly #policy: PolicyResolver
  readonly #cluster: Cluster
  readonly #budget: RetryBudget
  readonly #listeners: DiscoveryListeners
  readonly #closable: Closable

  constructor(settings: Settings) {
    const { service, origins, removal } = settings
    const clock = settings.clock ?? systemClock
    const events = new Events(logTo(settings.logger ?? defaultLogger()))
    this.service = service
    this.#settings = settings
    this.#clock = clock
    this.#listeners = new DiscoveryListeners(clock, events)
    this.#policy = new PolicyResolver(settings, events)
    const resolver = processResolver(settings, clock, events)
    this.#resolver = settings.exclude === undefined ? resolver : excluding(resolver, settings.exclude, events)
    const sessions = settings.sticky === undefined ? undefined : sticky(settings.sticky, service)
    this.#cluster = new Cluster({
      service,
      resolver: this.#resolver,
      policy: this.#policy,
      createEndpoint: this.#endpointFactory(clock, events),
      governor: removal === false ? undefined : new RemovalGovernor(removal),
      idleMs: settings.idleMs,
      panicThreshold: settings.panicThreshold,
      outerLayers: sessions === undefined ? [] : [sessions.layer],
      clock,
      random: settings.random ?? systemRandom(),
      events,
    })
    const { budgetRatio, budgetMinPerSecond } = settings.retry
    this.#budget = new RetryBudget(
      { ratio: budgetRatio, minPerSecond: budgetMinPerSecond, ttlMs: 10_000 },
      clock.now(),
    )
    const execution = new Execution({
      cluster: this.#cluster,
      policy: this.#policy,
      budget: this.#budget,
      events,
      clock,
    })
    const dispatcher = new ClientDispatcher({
      service,
      origins,
      cluster: this.#cluster,
      execution,
      policy: this.#policy,
      filter: sessions?.filter,
      events,
      clock,
    })
    // One object of two types, which only their declarations keep apart.
    this.dispatcher = dispatcher as unknown as ServiceDispatcher
    this.#dispatcher = dispatcher
    this.#closable = { service, dispatcher, active: () => execution.active, clock, events }
    this.fetch = createFetch(service, origins.base, this.dispatcher)
    summarize(this, 'Client', () => summaryOf(this.inspect()))
    this.#cluster.follow()
  }

  request<TOpaque = null>(options: ClientRequestOptions<TOpaque>): Promise<Dispatcher.ResponseData<TOpaque>> {
    const wrong = wrongRequest(options)
    if (wrong !== undefined) return Promise.reject(wrong)
    // The default comes first: a method added to a copy leaves an object that V8 has no shape for, which costs a
    // fifth of the requests a second.
    const complete = options.method === undefined ? { method: 'GET', ...options } : options
    return this.dispatcher.request<TOpaque>(complete as Dispatcher.RequestOptions<TOpaque>)
  }

  forward(options: CallOptions, handler: Handler): void {
    this.#dispatcher.forward(options, handler)
  }

  async ready(options: ReadyOptions = {}): Promise<void> {
    await untilReady(this.service, this.#cluster, options, this.#settings.timeoutMs, this.#clock)
  }

  onDiscovery(listener: DiscoveryListener): () => void {
    return this.#listeners.add(listener)
  }

  inspect(): ClientInspection {
    return inspect(this.service, this.#resolver.name, this.#cluster, this.#budget, this.#clock)
  }

  explain(request: ExplainOptions = {}): PickExplanation {
    requireKnown('explain', request, EXPLAINED)
    const complete = withLastingHeaders({ path: '/', method: 'GET', ...request })
    return explain(this.service, this.#cluster, {
      request: complete,
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

  /** Makes the live object of a new instance. */
  #endpointFactory(clock: Clock, events: Events): EndpointFactory {
    const { service, connections, breaker, classify, timeoutMs } = this.#settings
    const { maxPerEndpoint: max = Infinity, keepAliveMs, bodyTimeoutMs, tls } = connections
    const { maxResponseHeaderBytes } = connections
    const background = inBackground(clock)
    const once = onceEach()
    const dependencies = {
      createTransport: http1({
        connector: tcpConnector(tls),
        max,
        connectTimeoutMs: () => this.#policy.current.connectTimeoutMs,
        clock: background,
        client: {
          keepAliveTimeout: keepAliveMs,
          // A hint of the server's (`Keep-Alive: timeout=`) may shorten it: undici lets it lengthen it up to this.
          keepAliveMaxTimeout: keepAliveMs,
          bodyTimeout: bodyTimeoutMs,
          ...(maxResponseHeaderBytes === undefined ? {} : { maxHeaderSize: maxResponseHeaderBytes }),
          // The deadline of the call is the limit, and this one has to be behind it. Where it may, it equals the limit for
          // bodies: undici then refreshes one timer a connection instead of making two for each request (8% of its time).
          headersTimeout: timeoutMs <= bodyTimeoutMs ? bodyTimeoutMs : 0,
        },
        onUnknownParser: (misfit) =>
          once('parser', () => events.publish({ type: 'endpoint:unknown-parser', service, misfit })),
      }),
      makeBreaker: breaker === false ? undefined : opossumBreaker(breaker),
      judges: [],
      classifier: new Classifier(classify, (error) =>
        once('classify', () => events.publish({ type: 'endpoint:classify-failed', service, error })),
      ),
      onAvailability: (endpoint: Endpoint, reason: string, restriction: Restriction | undefined) => {
        publishAvailability(events, service, endpoint, reason, restriction, clock.now())
        this.#cluster.availabilityChanged(endpoint, reason, restriction)
      },
      loop: new LoopWatch(background),
      clock,
    } satisfies EndpointDependencies
    return (instance, seedMs, usableSince) => new Endpoint(instance, seedMs, usableSince, dependencies)
  }
}

/** Does each named thing once for a client: what is the same of each connection or response is told once. */
function onceEach(): (name: string, work: () => void) => void {
  const done = new Set<string>()
  return (name, work) => {
    if (done.has(name)) return
    done.add(name)
    work()
  }
}

function publishAvailability(
  events: Events,
  service: string,
  { instance }: Endpoint,
  reason: string,
  restriction: Restriction | undefined,
  now: number,
): void {
  const { state = 'available', until } = restriction ?? {}
  events.publish({
    type: 'endpoint:availability',
    service,
    endpoint: instance.origin,
    reason,
    state,
    untilMs: until === undefined ? undefined : until - now,
  })
}
