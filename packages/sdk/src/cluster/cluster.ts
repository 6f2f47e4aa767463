import type { Balancer, PickContext, Picker } from '../balance/picker.js'
import type { Clock } from '../clock.js'
import type { ExcludedInstance, Instance, Resolver, ResolverEvent } from '../discovery/resolver.js'
import { reasonOf } from '../errors.js'
import type { KeyHash } from '../hashing/key-hash.js'
import type { Logger } from '../logger.js'
import type { Random } from '../random.js'
import type { Endpoint } from './endpoint.js'
import { reconcile } from './reconcile.js'

/** How far the set can be trusted. */
export type Freshness =
  /** No answer yet; `cause` says why, once asking has failed. */
  | { readonly kind: 'waiting'; readonly cause: Error | undefined }
  | { readonly kind: 'fresh' }
  /** The last known set serves on. `since`: milliseconds of the clock. */
  | { readonly kind: 'stale'; readonly since: number; readonly cause: Error }

export interface ClusterOptions {
  readonly service: string
  readonly resolver: Resolver
  readonly balancer: Balancer
  /** Makes the endpoint of a new instance. `seedMs`: what its peers' latency is. */
  readonly createEndpoint: (instance: Instance, seedMs: number) => Endpoint
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What a new endpoint is taken for where no peer has been measured: Linkerd's default_rtt, 30 ms. */
const SEED_MS = 30

/**
 * The endpoints of one service, and the one picker that chooses among them.
 * `update` is the only writer; a pick reads one reference.
 */
export class Cluster {
  readonly #options: ClusterOptions
  readonly #stop = new AbortController()
  readonly #waiters = new Set<() => void>()
  /** Endpoints that left the set with requests in flight, and the end of those. */
  readonly #retiring = new Map<Endpoint, Promise<void>>()
  #endpoints: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>()
  #excluded: readonly ExcludedInstance[] = []
  #freshness: Freshness = { kind: 'waiting', cause: undefined }
  #picker: Picker<Endpoint> | undefined
  #closed = false

  constructor(options: ClusterOptions) {
    this.#options = options
  }

  get endpoints(): readonly Endpoint[] {
    return [...this.#endpoints.values()]
  }

  get excluded(): readonly ExcludedInstance[] {
    return this.#excluded
  }

  get freshness(): Freshness {
    return this.#freshness
  }

  /** Is there nothing to wait for: has discovery ever answered, or is the cluster closed? */
  get resolved(): boolean {
    return this.#picker !== undefined || this.#closed
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Follows discovery until the cluster is closed. */
  async follow(): Promise<void> {
    const { resolver, service } = this.#options
    for await (const event of resolver.watch(service, this.#stop.signal)) this.update(event)
  }

  /** An endpoint that has not failed this request already, or else one that has. */
  pick(context: PickContext<Endpoint>): Endpoint | undefined {
    const endpoint = this.#picker?.pick(context)
    if (endpoint !== undefined || context.tried.length === 0) return endpoint
    return this.#picker?.pick(new Untried(context))
  }

  /** Calls back once, when `resolved` has become true; returns how to stop waiting. */
  readonly onResolved = (callback: () => void): (() => void) => {
    this.#waiters.add(callback)
    return () => this.#waiters.delete(callback)
  }

  /** Why there is no endpoint, for an error message: cannot be asked, knows none, or has none that is healthy. */
  whyEmpty(): string {
    const { name } = this.#options.resolver
    const freshness = this.#freshness
    if (freshness.kind === 'waiting') return freshness.cause?.message ?? `${name} has not answered yet`
    const known =
      this.#excluded.length === 0
        ? `${name} knows no instance of that name`
        : `${name} knows ${this.#excluded.length}, none of them usable: ${listed(this.#excluded)}`
    return freshness.kind === 'stale' ? `${known}; that is stale, as ${freshness.cause.message}` : known
  }

  update(event: ResolverEvent): void {
    if (event.kind === 'stale') this.#distrust(event.cause)
    else this.#adopt(event.instances, event.excluded)
  }

  /** Lets requests in flight finish, then closes all connections. */
  async close(): Promise<void> {
    this.#leave()
    await Promise.all([...this.#retiring.values(), ...this.endpoints.map((endpoint) => endpoint.close())])
  }

  /** Breaks off all requests with `error`. */
  async destroy(error: Error): Promise<void> {
    const endpoints = [...this.endpoints, ...this.#retiring.keys()]
    this.#leave()
    await Promise.all(endpoints.map((endpoint) => endpoint.destroy(error)))
  }

  #leave(): void {
    this.#closed = true
    this.#picker = undefined
    this.#stop.abort()
    this.#wake()
  }

  #adopt(instances: readonly Instance[], excluded: readonly ExcludedInstance[]): void {
    const { balancer, random, logger, service, resolver } = this.#options
    const plan = reconcile(this.#endpoints, instances)
    const seedMs = this.#typicalLatency()
    const endpoints = new Map<string, Endpoint>()
    for (const { endpoint, instance } of plan.kept) {
      endpoint.instance = instance
      endpoints.set(instance.key, endpoint)
    }
    for (const instance of plan.added)
      endpoints.set(instance.key, this.#options.createEndpoint(instance, seedMs))
    this.#endpoints = endpoints
    this.#excluded = excluded
    // The swap must come before the removed ones close, so that no pick can meet a closed pool.
    if (plan.changed || this.#picker === undefined) this.#picker = balancer(this.endpoints, random)
    for (const endpoint of plan.removed) this.#retire(endpoint)
    if (this.#freshness.kind === 'stale') {
      logger.info({ service, instances: endpoints.size }, `${resolver.name} answers again`)
    }
    if (plan.changed) {
      logger.info(
        {
          service,
          instances: endpoints.size,
          added: plan.added.map(({ origin }) => origin),
          removed: plan.removed.map(({ address }) => address),
          excluded,
        },
        'instances changed',
      )
    }
    this.#freshness = { kind: 'fresh' }
    this.#wake()
  }

  #distrust(cause: Error): void {
    const { clock, logger, service } = this.#options
    const before = this.#freshness
    if (before.kind === 'stale') {
      this.#freshness = { ...before, cause }
      return
    }
    // Once an outage, not once a retry.
    if (before.kind === 'fresh' || before.cause === undefined) {
      logger.warn(
        { service, instances: this.#endpoints.size, reason: reasonOf(cause) },
        before.kind === 'fresh'
          ? 'discovery failed: the last known instances serve on, and it is asked again'
          : 'discovery failed before its first answer: requests wait, and it is asked again',
      )
    }
    this.#freshness =
      before.kind === 'waiting' ? { kind: 'waiting', cause } : { kind: 'stale', since: clock.now(), cause }
  }

  #retire(endpoint: Endpoint): void {
    this.#retiring.set(
      endpoint,
      endpoint.close().finally(() => this.#retiring.delete(endpoint)),
    )
  }

  #typicalLatency(): number {
    const { clock } = this.#options
    const measured = this.endpoints.filter(({ requests }) => requests > 0)
    if (measured.length === 0) return SEED_MS
    const now = clock.now()
    return measured.reduce((sum, endpoint) => sum + endpoint.estimateUs(now), 0) / measured.length / 1000
  }

  #wake(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiters) waiter()
  }
}

/** A request as if it had been to no endpoint yet. */
class Untried implements PickContext<Endpoint> {
  readonly now: number
  readonly tried: readonly Endpoint[] = []
  readonly #context: PickContext<Endpoint>

  constructor(context: PickContext<Endpoint>) {
    this.now = context.now
    this.#context = context
  }

  /** Left to whoever reads it: not every balancer does. */
  get hash(): KeyHash | undefined {
    return this.#context.hash
  }
}

// More than these make a message that nobody reads to its end.
const LISTED = 5

function listed(excluded: readonly ExcludedInstance[]): string {
  const shown = excluded.slice(0, LISTED).map(({ key, reason }) => `${key} (${reason})`)
  const more = excluded.length - shown.length
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '')
}
