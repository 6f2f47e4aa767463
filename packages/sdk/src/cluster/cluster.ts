import type { Balancer, PickContext } from '../balance/picker.js'
import { tiers, type TieredPicker } from '../balance/tiers.js'
import type { Clock, Timer } from '../clock.js'
import type { ExcludedInstance, Instance, Resolver, ResolverEvent, Snapshot } from '../discovery/resolver.js'
import type { ServerPolicy } from '../discovery/server-policy.js'
import { reasonOf } from '../errors.js'
import type { Logger } from '../logger.js'
import type { Random } from '../random.js'
import type { BreakerState } from '../resilience/breaker.js'
import type { Endpoint, ReserveWitness } from './endpoint.js'
import { reconcile } from './reconcile.js'
import type { Held, HoldReason, RemovalGovernor } from './removal-governor.js'

/** How far the set can be trusted. */
export type Freshness =
  /** No answer yet; `cause` says why, once asking has failed. */
  | { readonly kind: 'waiting'; readonly cause: Error | undefined }
  | { readonly kind: 'fresh' }
  /** The last known set serves on. `since`: milliseconds of the clock. */
  | { readonly kind: 'stale'; readonly since: number; readonly cause: Error | undefined }
  /** A set that was saved serves, as discovery has not answered. `savedAt`: Unix milliseconds. */
  | { readonly kind: 'disk'; readonly savedAt: number; readonly cause: Error | undefined }

/** What has changed, for whoever follows a client. */
export interface ClusterChange {
  readonly freshness: Freshness
  /** What speaks against the last answer. */
  readonly doubt: string | undefined
  readonly instances: readonly Instance[]
  readonly added: readonly Instance[]
  readonly removed: readonly Instance[]
}

export interface ClusterOptions {
  readonly service: string
  readonly resolver: Resolver
  /** Which balancer to use, by what the registry asks for; the same one for the same wish. */
  readonly balancer: (policy: ServerPolicy | undefined) => Balancer
  /** Makes the endpoint of a new instance. `seedMs`: what its peers' latency is. */
  readonly createEndpoint: (instance: Instance, seedMs: number, policy: ServerPolicy | undefined) => Endpoint
  /** Undefined: what is no longer listed is gone. */
  readonly governor: RemovalGovernor | undefined
  /** Without a pick for so long, in milliseconds, discovery is no longer followed; `Infinity`: it always is. */
  readonly idleMs: number
  /** Hears of every change; must not throw. */
  readonly onChange: (change: ClusterChange) => void
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
export class Cluster implements ReserveWitness {
  readonly #options: ClusterOptions
  readonly #closing = new AbortController()
  readonly #waiters = new Set<() => void>()
  /** Endpoints that left the set with requests in flight, and the end of those. */
  readonly #retiring = new Map<Endpoint, Promise<void>>()
  /** Ends the watch; undefined while there is none. */
  #watching: AbortController | undefined
  #endpoints = new Map<string, Endpoint>()
  #snapshot: Snapshot = { kind: 'snapshot', instances: [], excluded: [] }
  #freshness: Freshness = { kind: 'waiting', cause: undefined }
  #picker: TieredPicker<Endpoint> | undefined
  /** There is nothing to wait for. */
  #resolved = false
  /** Of what is in reserve, and of the watch while nobody asks. */
  #expiry: Timer | undefined
  #idling: Timer | undefined
  #used = false

  constructor(options: ClusterOptions) {
    this.#options = options
  }

  /** Those that discovery lists, and those in reserve. */
  get endpoints(): readonly Endpoint[] {
    return [...this.#endpoints.values()]
  }

  get excluded(): readonly ExcludedInstance[] {
    return this.#snapshot.excluded
  }

  get freshness(): Freshness {
    return this.#freshness
  }

  /** What speaks against the last answer of discovery. */
  get doubt(): string | undefined {
    return this.#snapshot.doubt
  }

  /** What is kept although discovery no longer lists it. */
  get held(): readonly Held[] {
    return this.#options.governor?.held ?? []
  }

  /** What the registry asks of its clients. */
  get policy(): ServerPolicy | undefined {
    return this.#snapshot.policy
  }

  /** Is discovery being followed? */
  get watching(): boolean {
    return this.#watching !== undefined
  }

  /** Is there nothing to wait for: has discovery said its first word, or is the cluster closed? */
  get resolved(): boolean {
    return this.#resolved || this.closed
  }

  get closed(): boolean {
    return this.#closing.signal.aborted
  }

  /** Follows discovery, if it is not followed already, until it is paused or the cluster is closed. */
  follow(): void {
    if (this.#watching !== undefined || this.closed) return
    this.#watching = new AbortController()
    void this.#run(this.#watching.signal)
    this.#awaitIdleness()
  }

  /** Stops following. The set stays; the next who needs it waits for discovery's word on it. */
  pause(): void {
    this.#watching?.abort()
    this.#watching = undefined
    this.#resolved = false
    if (this.#idling !== undefined) this.#options.clock.clearTimer(this.#idling)
    this.#idling = undefined
  }

  /** An endpoint that has not failed this request already, or else one that has. */
  pick(context: PickContext<Endpoint>): Endpoint | undefined {
    this.#used = true
    const endpoint = this.#picker?.pick(context)
    if (endpoint !== undefined || context.tried.length === 0) return endpoint
    return this.#picker?.pick({ now: context.now, tried: [] })
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
    const { excluded } = this
    const known =
      excluded.length === 0
        ? `${name} knows no instance of that name`
        : `${name} knows ${excluded.length}, none of them usable: ${listed(excluded)}`
    return freshness.kind !== 'fresh' && freshness.cause !== undefined
      ? `${known}; that is stale, as ${freshness.cause.message}`
      : known
  }

  update(event: ResolverEvent): void {
    if (event.kind === 'stale') this.#distrust(event.cause)
    else this.#adopt(event)
    this.#resolve()
  }

  /** From an endpoint in reserve: it has answered. */
  answered(endpoint: Endpoint): void {
    const { governor, logger, service, clock } = this.#options
    const { key } = endpoint.instance
    const known = governor?.held.find(({ instance }) => instance.key === key)
    governor?.confirm(key, clock.now())
    this.#armExpiry()
    if (known?.confirmed === false) {
      logger.warn(
        { service, endpoint: endpoint.address },
        'an instance that discovery no longer lists answers: it stays in reserve',
      )
    }
  }

  /** The circuit of an endpoint has changed its state. */
  circuitChanged(endpoint: Endpoint, state: BreakerState): void {
    if (state === 'open') endpoint.unreachable()
    this.#picker?.refresh()
  }

  /** From an endpoint in reserve: nobody is there, or it fails too often. */
  unreachable(endpoint: Endpoint): void {
    const { governor, logger, service } = this.#options
    // Its exchange is in the middle of ending; what follows is for the next turn.
    queueMicrotask(() => {
      if (!endpoint.reserved || this.#endpoints.get(endpoint.instance.key) !== endpoint) return
      governor?.drop(endpoint.instance.key)
      logger.warn(
        { service, endpoint: endpoint.address },
        'an instance that discovery no longer lists cannot be reached: it is gone',
      )
      this.#rebuild()
    })
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

  async #run(signal: AbortSignal): Promise<void> {
    const { resolver, service } = this.#options
    for await (const event of resolver.watch(service, signal)) if (!signal.aborted) this.update(event)
  }

  /** Looks once in each `idleMs`, so that a pick pays for nothing: the end comes after one to two of them. */
  #awaitIdleness(): void {
    const { clock, idleMs, logger, service } = this.#options
    this.#used = false
    if (idleMs === Infinity) return
    this.#idling = clock.setTimer(() => {
      if (this.#used) {
        this.#awaitIdleness()
        return
      }
      logger.info(
        { service, idleMs },
        'no request for a while: discovery is followed again with the next one',
      )
      this.pause()
    }, idleMs)
  }

  #leave(): void {
    this.#closing.abort()
    this.pause()
    this.#picker = undefined
    this.#armExpiry()
    this.#wake()
  }

  #adopt(snapshot: Snapshot): void {
    const { clock, logger, service, resolver, governor } = this.#options
    const before = this.#freshness
    const policyChanged = this.#snapshot.policy !== snapshot.policy
    this.#snapshot = snapshot
    const reason = governor?.govern(snapshot, clock.now())
    this.#freshness =
      snapshot.savedAt === undefined
        ? { kind: 'fresh' }
        : { kind: 'disk', savedAt: snapshot.savedAt, cause: causeOf(before) }
    if (reason !== undefined) this.#reportHold(reason)
    if (snapshot.savedAt !== undefined) {
      const savedAt = new Date(snapshot.savedAt).toISOString()
      logger.warn(
        { service, instances: snapshot.instances.length, savedAt },
        'discovery has not answered: the instances that were last saved serve, and it is asked again',
      )
    } else if (before.kind === 'stale' || before.kind === 'disk') {
      logger.info({ service, instances: snapshot.instances.length }, `${resolver.name} answers again`)
    }
    this.#rebuild(policyChanged)
  }

  /** Makes endpoints and picker those of the last snapshot and of what is held beside it. */
  #rebuild(policyChanged = false): void {
    const { createEndpoint, logger, service } = this.#options
    const { instances, excluded } = this.#snapshot
    const held = new Map(this.held.map(({ instance }) => [instance.key, instance]))
    const plan = reconcile(this.#endpoints, held.size === 0 ? instances : [...instances, ...held.values()])
    const seedMs = plan.added.length === 0 ? SEED_MS : this.#typicalLatency()
    const endpoints = plan.inPlace ? this.#endpoints : new Map<string, Endpoint>()
    for (const { endpoint, instance } of plan.kept) {
      endpoint.instance = instance
      if (!plan.inPlace) endpoints.set(instance.key, endpoint)
    }
    for (const instance of plan.added)
      endpoints.set(instance.key, createEndpoint(instance, seedMs, this.policy))
    let moved = false
    for (const endpoint of endpoints.values()) {
      const witness = held.has(endpoint.instance.key) ? this : undefined
      moved ||= endpoint.witness !== witness
      endpoint.witness = witness
    }
    this.#endpoints = endpoints
    // The swap must come before the removed ones close, so that no pick can meet a closed pool.
    if (plan.changed || moved || policyChanged || this.#picker === undefined) this.#swap(excluded)
    else this.#picker.refresh()
    for (const endpoint of plan.removed) this.#retire(endpoint)
    this.#armExpiry()
    if (plan.changed) {
      logger.info(
        {
          service,
          instances: endpoints.size,
          added: some(plan.added, ({ origin }) => origin),
          removed: some(plan.removed, ({ address }) => address),
          excluded: some(excluded, ({ key, reason }) => `${key}: ${reason}`),
        },
        'instances changed',
      )
    }
    this.#announce(
      plan.added,
      plan.removed.map(({ instance }) => instance),
    )
  }

  #swap(excluded: readonly ExcludedInstance[]): void {
    const { balancer, random } = this.#options
    const leftOut = new Map<number, number>()
    for (const { kind, priority } of excluded)
      if (kind !== 'unusable') leftOut.set(priority, (leftOut.get(priority) ?? 0) + 1)
    this.#picker = tiers(balancer(this.policy), this.endpoints, { leftOut }, random)
  }

  #distrust(cause: Error): void {
    const { clock, logger, service } = this.#options
    const before = this.#freshness
    // Once an outage, not once a retry.
    if (before.kind === 'fresh' || (before.kind === 'waiting' && before.cause === undefined)) {
      logger.warn(
        { service, instances: this.#endpoints.size, reason: reasonOf(cause) },
        before.kind === 'fresh'
          ? 'discovery failed: the last known instances serve on, and it is asked again'
          : 'discovery failed before its first answer: requests wait, and it is asked again',
      )
    }
    this.#freshness =
      before.kind === 'fresh' ? { kind: 'stale', since: clock.now(), cause } : { ...before, cause }
    if (before.kind === 'fresh') this.#announce([], [])
  }

  #reportHold(reason: HoldReason): void {
    const { logger, service } = this.#options
    const { held } = this
    logger.warn(
      {
        service,
        instances: this.#snapshot.instances.length,
        reserve: some(held, ({ instance }) => instance.origin),
        reason: reason.kind === 'doubt' ? reason.doubt : 'too many are gone at once',
      },
      'discovery no longer lists instances, and that is hard to believe: they stay in reserve for a while',
    )
  }

  /** One timer for whatever in reserve is over first. */
  #armExpiry(): void {
    const { clock, governor, logger, service } = this.#options
    if (this.#expiry !== undefined) clock.clearTimer(this.#expiry)
    this.#expiry = undefined
    const next = this.closed ? undefined : governor?.nextExpiry
    if (governor === undefined || next === undefined) return
    this.#expiry = clock.setTimer(() => {
      const over = governor.expire(clock.now())
      if (over.length > 0) {
        logger.warn(
          { service, removed: some(over, ({ instance }) => instance.origin) },
          'instances in reserve are still not listed: they are gone',
        )
        this.#rebuild()
      } else {
        this.#armExpiry()
      }
    }, next - clock.now())
  }

  #announce(added: readonly Instance[], removed: readonly Instance[]): void {
    const { instances, doubt } = this.#snapshot
    this.#options.onChange({ freshness: this.#freshness, doubt, instances, added, removed })
  }

  /** The first word of discovery, or the first after a pause: a set, or that the one we have has to do. */
  #resolve(): void {
    if (this.#picker === undefined || this.#resolved) return
    this.#resolved = true
    this.#wake()
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

// More than these make a message that nobody reads to its end.
const LISTED = 5

function listed(excluded: readonly ExcludedInstance[]): string {
  return some(excluded, ({ key, reason }) => `${key} (${reason})`).join(', ')
}

/** The first few of a list, for people, and how many more there are. */
function some<T>(items: readonly T[], show: (item: T) => string): readonly string[] {
  const shown = items.slice(0, LISTED).map(show)
  const more = items.length - shown.length
  return more > 0 ? [...shown, `and ${more} more`] : shown
}

function causeOf(freshness: Freshness): Error | undefined {
  return freshness.kind === 'fresh' ? undefined : freshness.cause
}
