import { expect } from 'vitest'
import type { Balancer, PickContext } from '../balance/picker.js'
import { roundRobin } from '../balance/policies/round-robin.js'
import type { Instance } from '../discovery/resolver.js'
import type { ServerPolicy } from '../discovery/server-policy.js'
import { Classifier } from '../endpoint/classify.js'
import { FakeResolver, instanceAt, ManualClock, seededRandom } from '../testing/index.js'
import { Events, type ClusterChange } from '../observe/events.js'
import { logTo } from '../observe/log.js'
import { tcpConnector } from '../transport/connector.js'
import { http1 } from '../transport/http1.js'
import { Cluster, type BalancingPolicy, type ClusterOptions } from './cluster.js'
import { Endpoint } from '../endpoint/endpoint.js'
import { LoopWatch } from '../runtime/loop-watch.js'
import { RemovalGovernor } from './removal-governor.js'

export const SECOND = 1000
export const DOUBT = 'the agent knows no leader'
export const IDLE_MS = 600_000

/** Six instances; nothing listens there. */
export const fleet: readonly Instance[] = [1, 2, 3, 4, 5, 6].map((port) =>
  instanceAt(`http://10.0.0.1:${port}`),
)

/** An endpoint that remembers whether it was retired. */
export class Watched extends Endpoint {
  retired = false

  override close(): Promise<void> | undefined {
    this.retired = true
    return super.close()
  }
}

/** A cluster on a clock and a resolver in the hands of a test, and all that it says. */
export class Rig {
  readonly clock: ManualClock = new ManualClock()
  readonly resolver: FakeResolver = new FakeResolver()
  readonly changes: ClusterChange[] = []
  readonly logged: string[] = []
  /** What each picker was made of. */
  readonly built: { readonly policy: ServerPolicy | undefined; readonly members: readonly string[] }[] = []
  readonly cluster: Cluster

  constructor(options: Partial<ClusterOptions> = {}) {
    const log =
      (level: string) =>
      (fields: object, message: string): void =>
        void this.logged.push(`${level}: ${message} ${JSON.stringify(fields)}`)
    const events = new Events(logTo({ info: log('info'), warn: log('warn'), error: log('error') }), {
      traffic: false,
      hear: (event) => event.type === 'cluster:updated' && this.changes.push(event.change),
    })
    const { clock } = this
    this.cluster = new Cluster({
      service: 'orders',
      resolver: this.resolver,
      policy: this.#policy(),
      createEndpoint: (instance, seedMs, usableSince) =>
        new Watched(instance, seedMs, usableSince, {
          createTransport: http1({
            connector: tcpConnector({}),
            max: 1,
            connectTimeoutMs: () => SECOND,
            clock,
            client: {},
          }),
          makeBreaker: undefined,
          judges: [],
          onObserverFailed: () => undefined,
          classifier: new Classifier(),
          onAvailability: (endpoint, availability) =>
            this.cluster.availabilityChanged(endpoint, availability),
          loop: new LoopWatch(clock),
          clock,
        }),
      governor: new RemovalGovernor({
        share: 0.5,
        windowMs: 10 * SECOND,
        retainMs: 60 * SECOND,
        maxRetainMs: 600 * SECOND,
      }),
      idleMs: IDLE_MS,
      panicThreshold: 0.5,
      outerLayers: [],
      clock,
      random: seededRandom(1),
      events,
      ...options,
    })
  }

  /** Lets what is under way settle. */
  async settle(): Promise<void> {
    await this.clock.advance(0)
  }

  /** Begins to follow, with this set first. */
  async start(instances: readonly Instance[]): Promise<void> {
    this.cluster.follow()
    await this.list(instances)
  }

  /** Discovery says this now. */
  async list(...set: Parameters<FakeResolver['snapshot']>): Promise<void> {
    this.resolver.snapshot(...set)
    await this.settle()
  }

  async fail(message: string): Promise<void> {
    this.resolver.stale(new Error(message))
    await this.settle()
  }

  /** What a request is given, attempt after attempt, until there is no endpoint that it has not tried. */
  get picks(): readonly Instance[] {
    const tried: Endpoint[] = []
    for (;;) {
      const context: PickContext<Endpoint> = { now: 0, tried }
      const endpoint = this.cluster.pick(context)
      if (endpoint === undefined || tried.includes(endpoint)) return tried.map(({ instance }) => instance)
      expect(endpoint).toMatchObject({ retired: false })
      tried.push(endpoint)
    }
  }

  get present(): readonly Watched[] {
    return this.cluster.endpoints.filter((endpoint) => endpoint instanceof Watched)
  }

  endpoint({ key }: Instance): Watched {
    const found = this.present.find(({ instance }) => instance.key === key)
    if (found === undefined) throw new Error(`there is no endpoint ${key}`)
    return found
  }

  /** The balancer by whatever the registry prefers, which notes what it is made for. */
  #policy(): BalancingPolicy {
    const balancerFor =
      (policy: ServerPolicy | undefined): Balancer =>
      (endpoints, random) => {
        this.built.push({ policy, members: endpoints.map(({ instance }) => instance.key) })
        return roundRobin(endpoints, random)
      }
    let registry: ServerPolicy | undefined
    let current = { balancer: balancerFor(registry) }
    return {
      get current() {
        return current
      },
      update(next) {
        if (next === registry) return
        registry = next
        current = { balancer: balancerFor(next) }
      },
    }
  }

  /** Lines of the log with this in them. */
  lines(part: string): readonly string[] {
    return this.logged.filter((line) => line.includes(part))
  }
}
