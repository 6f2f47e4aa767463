import { Admission } from '../admission/admission.js'
import type { Balancer } from '../balance/picker.js'
import { parseOptions, type ClientOptions } from '../client-options.js'
import { Cluster } from '../cluster/cluster.js'
import type { RemovalGovernor } from '../cluster/removal-governor.js'
import type { Deadline } from '../deadline/deadline.js'
import type { Instance } from '../discovery/resolver.js'
import { HeldTransport } from '../endpoint/attempt.test.support.js'
import { Classifier } from '../endpoint/classify.js'
import { Endpoint } from '../endpoint/endpoint.js'
import { Events, type FairleadEvent } from '../observe/events.js'
import type { BreakerFactory } from '../resilience/breaker.js'
import { RecentLatency } from '../resilience/recent-latency.js'
import { opossumBreaker } from '../resilience/opossum-breaker.js'
import { outlierDetection } from '../resilience/outlier/detector.js'
import { RetryBudget } from '../resilience/retry-budget.js'
import { LoopWatch } from '../runtime/loop-watch.js'
import { FakeResolver, instanceAt, ManualClock, seededRandom } from '../testing/index.js'
import type { Handler } from '../transport/handler.js'
import type { TransportRequest } from '../transport/transport.js'
import type { CallOptions } from './call-options.js'
import type { ResponseFilter } from './call-owner.js'
import { ClientDispatcher } from './dispatcher.js'
import { Execution } from './execution.js'
import { Leases } from './leases.js'
import { PolicyResolver } from './policy.js'

/** Three instances; nothing listens there. */
export const THREE: readonly Instance[] = [1, 2, 3].map((port) => instanceAt(`http://10.0.0.1:${port}`))

/** What a client has only where its options say so. */
export interface OptionalParts {
  readonly governor?: RemovalGovernor
  readonly makeBreaker?: BreakerFactory
  readonly filter?: ResponseFilter
  /** Endpoints have circuits and outlier detection, as the options say. */
  readonly judged?: boolean
}

/** All of a client from its dispatcher down, on a transport, a clock and a resolver in the hands of the test. */
export class CallRig {
  readonly clock: ManualClock = new ManualClock()
  readonly resolver: FakeResolver = new FakeResolver()
  readonly transports: Map<string, HeldTransport> = new Map<string, HeldTransport>()
  readonly published: FairleadEvent[] = []
  readonly recent: RecentLatency = new RecentLatency(this.clock)
  readonly events: Events
  readonly policy: PolicyResolver
  readonly cluster: Cluster
  readonly budget: RetryBudget
  readonly admission: Admission | undefined
  readonly execution: Execution
  readonly leases: Leases
  readonly dispatcher: ClientDispatcher

  constructor(
    options: ClientOptions = {},
    { governor, makeBreaker, filter, judged = false }: OptionalParts = {},
  ) {
    const { clock, resolver } = this
    const settings = parseOptions('orders', { balancer: inOrder, panicThreshold: 0, ...options }, {})
    const { service, origins, retry, deadlineHeaders, breaker, outlierDetection: outliers } = settings
    const judging = { clock, random: seededRandom(2) }
    const judges = judged && outliers !== false ? [outlierDetection(outliers, clock, judging.random)] : []
    this.events = new Events({ traffic: true, hear: (event) => void this.published.push(event) })
    const { events } = this
    this.policy = new PolicyResolver(settings, events)
    const { policy } = this
    const loop = new LoopWatch(clock)
    this.cluster = new Cluster({
      service,
      resolver,
      policy,
      createEndpoint: (instance, seedMs, usableSince) =>
        new Endpoint(instance, seedMs, usableSince, {
          createTransport: () => this.#transport(instance),
          makeBreaker: judged && breaker !== false ? opossumBreaker(breaker, judging) : makeBreaker,
          judges,
          recent: this.recent,
          onObserverFailed: () => undefined,
          classifier: new Classifier(settings.classify),
          onAvailability: (endpoint, availability) =>
            this.cluster.availabilityChanged(endpoint, availability),
          loop,
          clock,
        }),
      governor,
      idleMs: Infinity,
      panicThreshold: settings.panicThreshold,
      outerLayers: [],
      clock,
      random: seededRandom(1),
      events,
    })
    const { cluster } = this
    const { budgetRatio: ratio, budgetMinPerSecond: minPerSecond } = retry
    this.budget = new RetryBudget({ ratio, minPerSecond, ttlMs: 10_000 }, clock.now())
    const { budget } = this
    this.admission =
      settings.admission && new Admission({ service, settings: settings.admission, events, clock })
    const { admission } = this
    const { recent } = this
    const random = seededRandom(1)
    this.execution = new Execution({ cluster, budget, admission, recent, random, events, clock })
    const { execution } = this
    this.leases = new Leases(clock)
    this.dispatcher = new ClientDispatcher({
      service,
      origins,
      cluster,
      execution,
      leases: this.leases,
      policy,
      filter,
      deadlineHeaders,
      events,
      clock,
    })
    cluster.follow()
  }

  /** Discovery lists these from now on. */
  async list(instances: readonly Instance[] = THREE): Promise<void> {
    this.resolver.snapshot(instances)
    await this.settle()
  }

  /** Lets what is under way settle. */
  async settle(): Promise<void> {
    await this.clock.advance(0)
  }

  send(
    options: Partial<CallOptions> = {},
    outcomes: Outcomes = new Outcomes(),
    deadline?: Deadline,
  ): Outcomes {
    this.dispatcher.forward({ method: 'GET', path: '/', ...options }, outcomes, deadline)
    return outcomes
  }

  endpoint(instance: Instance | undefined): Endpoint {
    const found = this.cluster.endpoints.find((endpoint) => endpoint.instance.key === instance?.key)
    if (found === undefined) throw new Error(`there is no endpoint ${String(instance?.key)}`)
    return found
  }

  /** What has been sent to an instance and not been answered, the latest first. */
  sentTo(instance: Instance | undefined): TransportRequest {
    const sent = this.transports.get(instance?.origin ?? '')?.sent.at(-1)
    if (sent === undefined) throw new Error(`nothing was sent to ${String(instance?.origin)}`)
    return sent
  }

  get inflight(): readonly number[] {
    return this.cluster.endpoints.map(({ inflight }) => inflight)
  }

  #transport({ origin }: Instance): HeldTransport {
    const transport = new HeldTransport()
    this.transports.set(origin, transport)
    return transport
  }
}

/** What a caller hears of one call. */
export class Outcomes implements Handler {
  readonly heard: string[] = []
  error: Error | undefined
  abort: ((reason?: Error) => void) | undefined

  onConnect(abort: (reason?: Error) => void): void {
    this.abort = abort
  }

  onHeaders(statusCode: number): boolean {
    this.heard.push(`head ${statusCode}`)
    return true
  }

  onData(chunk: Buffer): boolean {
    this.heard.push(`data ${chunk.toString()}`)
    return true
  }

  onComplete(): void {
    this.heard.push('complete')
  }

  onError(error: Error): void {
    this.error = error
    this.heard.push('error')
  }
}

/** Answers a request as a whole. */
export function answer(request: TransportRequest, statusCode = 200): void {
  request.onConnect(() => undefined)
  request.onHeaders(statusCode, [], () => undefined, '')
  request.onComplete([])
}

/** The first that is available and untried. */
const inOrder: Balancer = (endpoints) => ({
  pick: ({ tried }) => endpoints.find((endpoint) => endpoint.available && !tried.includes(endpoint)),
})
