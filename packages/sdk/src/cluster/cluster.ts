import type { Balancer, PickContext, PickReport } from '../balance/picker.js'
import { inBackground, isAborted, nextTurn, type Clock } from '../clock.js'
import { placeOf } from '../discovery/place.js'
import type { ExcludedInstance, Instance, Resolver, ResolverEvent, Snapshot } from '../discovery/resolver.js'
import type { ServerPolicy } from '../discovery/server-policy.js'
import type { Availability } from '../resilience/judge.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import { asError } from '../errors.js'
import type { Events, Freshness } from '../observe/events.js'
import type { Random } from '../random.js'
import { ProcessHold } from '../runtime/process-hold.js'
import { EndpointSet, type EndpointFactory, type EndpointKeeper, type NextEndpoints } from './endpoint-set.js'
import { countExcluded, sameCounts } from './excluded-counts.js'
import { afterFailure, afterSet, isFirstFailure, whyEmpty } from './freshness.js'
import { LivePicker, type OuterLayer } from './live-picker.js'
import { ClusterNews } from './news.js'
import { OnePerAddress } from './one-per-address.js'
import type { RemovalGovernor, Retained } from './removal-governor.js'
import { RetainedInstances, type Retention } from './retained.js'
import { Subscription } from './subscription.js'
import { whyUnavailable } from './why-unavailable.js'

/** The effective policy, as far as a cluster goes by it. */
export interface BalancingPolicy {
  /** The same balancer for the same preference. */
  readonly current: { readonly balancer: Balancer }
  /** What the registry prefers by now. */
  update(registry: ServerPolicy | undefined): void
}

export interface ClusterOptions {
  readonly service: string
  readonly resolver: Resolver
  readonly policy: BalancingPolicy
  readonly createEndpoint: EndpointFactory
  /** Undefined: what is no longer listed is gone. */
  readonly governor: RemovalGovernor | undefined
  /** Without a pick for so long, in milliseconds, discovery is no longer followed; `Infinity`: it always is. */
  readonly idleMs: number
  /** Below this share of available endpoints a priority is balanced over all; 0: never. */
  readonly panicThreshold: number
  /** Looks after the endpoints while the cluster is in use. Default: nothing does. */
  readonly keeper?: EndpointKeeper | undefined
  /** Connections to open to a new endpoint before requests come. Default 0. */
  readonly preconnect?: number
  /** How long an endpoint that has left may take to finish its requests, in milliseconds. Default: as long as they take. */
  readonly drainMs?: number
  /** Around the picker of every set; the first is innermost. */
  readonly outerLayers: readonly OuterLayer[]
  readonly clock: Clock
  readonly random: Random
  readonly events: Events
}

// To take so many instances in takes 2 ms, and 10 while the code that does it has not been compiled yet.
const LARGE_SET = 1000

// How soon a level of the logger that has changed is heeded, while there are requests.
const LOOK_MS = 1000

/** A set that has proved to be usable: all that can fail has been done, and nothing has changed yet. */
interface Prepared {
  readonly next: NextEndpoints
  readonly counts: ReadonlyMap<number, number>
  /** Does the picker have to be made anew for the endpoints? */
  readonly changed: boolean
}

/**
 * The endpoints of one service, and the one picker that chooses among them.
 *
 * The set has two writers, which never run at a time: `update`, by the word of discovery, and the end of a retention, by
 * that of traffic or time. Both prepare the whole of the next set, and then take its place in one step. `pause` and the
 * end of the cluster write only whether it is in use. A pick reads one reference.
 */
export class Cluster {
  readonly #options: ClusterOptions
  readonly #subscription: Subscription
  readonly #retained: RetainedInstances
  readonly #news: ClusterNews
  readonly #picker: LivePicker
  readonly #closing = new AbortController()
  /** What waits, and for how many endpoints. */
  readonly #waiters = new Map<() => void, number>()
  /** Discovery is background work, and keeps no process alive; what waits for it does. */
  readonly #hold: ProcessHold
  readonly #endpoints: EndpointSet
  readonly #onePerAddress = new OnePerAddress()
  #snapshot: Snapshot = { kind: 'snapshot', instances: [], excluded: [] }
  #freshness: Freshness = { kind: 'waiting', cause: undefined }
  /** How many instances of each priority the picker knows to be registered and excluded. */
  #excluded: ReadonlyMap<number, number> = new Map<number, number>()
  /** There is nothing to wait for. */
  #resolved = false
  /** Something that the picker is made of has changed since it was made. */
  #pickerDue = false
  /** When a pick next looks whether calls are traced. */
  #lookAt = 0
  /** While a large set is being taken in: its end. */
  #adoption: Promise<void> | undefined

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#hold = new ProcessHold(options.clock)
    const background = { ...options, clock: inBackground(options.clock) }
    this.#subscription = new Subscription({
      ...background,
      onEvent: (event, signal) => this.update(event, signal),
      onIdle: () => this.#rest(),
      isAwaited: () => this.#waiters.size > 0,
    })
    this.#endpoints = new EndpointSet(options)
    this.#news = new ClusterNews(options.service, options.resolver.name, options.events)
    this.#picker = new LivePicker(background, this.#news)
    this.#retained = new RetainedInstances({ ...background, onEnd: () => void this.#retentionEnded() })
  }

  /** Those that discovery lists, and those that are retained. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints.all
  }

  get excluded(): readonly ExcludedInstance[] {
    return this.#snapshot.excluded
  }

  get freshness(): Freshness {
    return this.#freshness
  }

  /** Why the last answer of discovery is suspect; undefined: it is not. */
  get suspect(): string | undefined {
    return this.#snapshot.suspect
  }

  /** What is retained although discovery no longer lists it. */
  get retained(): readonly Retained[] {
    return this.#retained.all
  }

  /** The priorities of which too few endpoints are available, so that all of them are used; the first first. */
  get prioritiesInPanic(): readonly number[] {
    return this.#picker.inPanic
  }

  /** Is discovery not followed, until the next request? */
  get idle(): boolean {
    return !this.#subscription.active && !this.closed
  }

  /** Is there nothing to wait for: has discovery said its first word, or is the cluster closed? */
  get resolved(): boolean {
    return this.#resolved || this.closed
  }

  get closed(): boolean {
    return this.#closing.signal.aborted
  }

  /** Aborts when it is closed. */
  get end(): AbortSignal {
    return this.#closing.signal
  }

  /** Follows discovery, if it is not followed already, until it is paused or the cluster is closed. */
  follow(): void {
    if (this.closed) return
    this.#subscription.start()
    this.#picker.start()
    this.#options.keeper?.start()
  }

  /** Stops following. The set stays; the next request waits for discovery's word on it. */
  pause(): void {
    void this.#subscription.stop()
    this.#picker.stop()
    this.#options.keeper?.stop()
    this.#retained.lapse()
    this.#resolved = false
  }

  /**
   * An endpoint that this request has not tried, or else one that it has.
   *
   * @param mayRepeat May it be one that it has tried? Not for an attempt that is to run beside another one.
   */
  pick(context: PickContext<Endpoint>, mayRepeat = true): Endpoint | undefined {
    this.#subscription.used = true
    // By the requests themselves: there is no timer while no request is made, and a comparison costs none of them anything.
    if (context.now >= this.#lookAt) this.#look(context.now)
    return this.#picker.pick(context, mayRepeat)
  }

  /** Picks without a request, and reports how. */
  explain(context: PickContext<Endpoint>, report: PickReport<Endpoint>): Endpoint | undefined {
    return this.#picker.explain(context, report)
  }

  /** Calls back once, when `resolved` has become true; returns how to stop waiting. */
  readonly onResolved = (callback: () => void): (() => void) => this.onReady(0, callback)

  /** Has discovery said its first word, with so many endpoints or more; or is the cluster closed? */
  isReady(minEndpoints: number): boolean {
    return this.closed || (this.resolved && (minEndpoints === 0 || this.listed >= minEndpoints))
  }

  /** Endpoints that discovery lists, without retained ones, which are not for every request. */
  get listed(): number {
    return this.endpoints.filter(({ retained }) => !retained).length
  }

  /** Calls back once, when `isReady` has become true; returns how to stop waiting. */
  onReady(minEndpoints: number, callback: () => void): () => void {
    this.#waiters.set(callback, minEndpoints)
    this.#hold.begin()
    return () => {
      this.#waiters.delete(callback)
      if (this.#waiters.size === 0) this.#hold.end()
    }
  }

  /** Why there is no endpoint, for an error message. */
  whyEmpty(): string {
    return whyEmpty(this.#options.resolver.name, this.#freshness, this.#snapshot)
  }

  /** Why these endpoints are unavailable, for an error message. */
  whyUnavailable(endpoints: readonly Endpoint[]): string {
    return whyUnavailable(endpoints, this.#options.clock.now())
  }

  /**
   * Takes in what discovery says: at once, or in several turns of the event loop where it is a large set.
   *
   * @param signal Aborted: it is not discovery's last word, and the next request has to wait for another one.
   */
  async update(event: ResolverEvent, signal: AbortSignal = this.#closing.signal): Promise<void> {
    // Of a watch before this one a set may still be on its way in.
    while (this.#adoption !== undefined) await this.#adoption.catch(() => undefined)
    if (isAborted(signal)) return
    if (event.kind === 'stale') this.#distrust(event.cause)
    else if (event.instances.length < LARGE_SET) allOf(this.#adopt(event))
    else await this.#adoptInTurns(event)
    if (!isAborted(signal)) this.#resolve()
  }

  /** The availability of an endpoint has changed. */
  availabilityChanged(endpoint: Endpoint, { state, kind, reason = state }: Availability): void {
    if (state === 'unavailable' && kind === 'health') endpoint.observer?.unreachable(endpoint, reason)
    this.#picker.refresh()
  }

  /** Lets requests in flight finish, then closes all connections. */
  async close(): Promise<void> {
    await Promise.all([this.#leave(), this.#endpoints.close()])
  }

  /** Aborts all requests with `error`. */
  async destroy(error: Error): Promise<void> {
    void this.#leave()
    await this.#endpoints.destroy(error)
  }

  #look(now: number): void {
    this.#lookAt = now + LOOK_MS
    this.#options.events.look()
  }

  #rest(): void {
    this.#news.idle(this.#options.idleMs)
    this.pause()
  }

  /** Resolves when discovery has ended its part. */
  #leave(): Promise<void> {
    this.#closing.abort()
    const ended = this.#subscription.stop()
    this.#retained.close()
    this.#picker.close()
    this.#options.keeper?.stop()
    this.#wake()
    return ended
  }

  async #adoptInTurns(snapshot: Snapshot): Promise<void> {
    this.#adoption = this.#inTurns(this.#adopt(snapshot))
    try {
      await this.#adoption
    } finally {
      this.#adoption = undefined
    }
  }

  /** One step in each turn, unless the cluster is closed meanwhile. */
  async #inTurns(steps: Generator<void, void>): Promise<void> {
    while (!this.closed && steps.next().done !== true) await nextTurn()
  }

  async #retentionEnded(): Promise<void> {
    while (this.#adoption !== undefined) await this.#adoption.catch(() => undefined)
    if (this.closed) return
    try {
      this.#replace(allOf(this.#prepare(this.#snapshot, this.#retained)), false)
    } catch (thrown) {
      // Nobody waits for this, and it must not end the process.
      this.#news.invalid(asError(thrown))
    }
  }

  *#adopt(listed: Snapshot): Generator<void, void> {
    const before = this.#freshness
    // It comes where discovery fails at once after a pause, and is not newer than what we have had from it since.
    if (listed.savedAt !== undefined && (before.kind === 'fresh' || before.kind === 'stale')) return
    // The set was made in this turn.
    yield
    // Here, so that it holds for every resolver, and nothing behind it has to know that an address may be listed twice.
    const instances = this.#onePerAddress.of(listed.instances)
    const snapshot = instances === listed.instances ? listed : { ...listed, instances }
    yield
    const retention = this.#retained.consider(snapshot)
    yield
    const prepared = yield* this.#prepare(snapshot, retention)
    const { policy } = this.#options
    const { balancer } = policy.current
    policy.update(snapshot.policy)
    this.#pickerDue ||= policy.current.balancer !== balancer
    // From here on nothing throws: what is stored is what serves.
    this.#snapshot = snapshot
    this.#freshness = afterSet(before, snapshot.savedAt)
    retention.adopt()
    this.#news.answered(before, snapshot)
    this.#replace(prepared, true)
  }

  /**
   * Makes ready the endpoints of a snapshot and of what is retained beside it. A resolver may be the user's: throws where
   * it gave what is no set.
   */
  *#prepare(snapshot: Snapshot, { all }: Pick<Retention, 'all'>): Generator<void, Prepared> {
    const retained = new Map(all.map(({ instance }) => [placeOf(instance), instance]))
    const plan = this.#endpoints.plan(snapshot.instances, retained)
    yield
    const next = this.#endpoints.prepare(plan, retained, this.#retained)
    const isListed = (place: string): boolean => next.endpoints.has(place) && !retained.has(place)
    const counts = countExcluded(snapshot.excluded, isListed)
    yield
    for (const layer of this.#options.outerLayers) {
      yield* layer.prepare(next.endpoints.values())
      yield
    }
    return { next, counts, changed: plan.changed }
  }

  /**
   * Puts what is prepared in the place of the endpoints and the picker.
   *
   * @param isNews There is something to announce in any case.
   */
  #replace({ next, counts, changed }: Prepared, isNews: boolean): void {
    this.#endpoints.adopt(next)
    this.#pickerDue ||= changed || next.retainedChanged || !sameCounts(counts, this.#excluded)
    this.#excluded = counts
    if (this.#pickerDue || !this.#picker.made) this.#swap()
    this.#endpoints.retire(next)
    if (changed) this.#news.changed(next, this.excluded)
    this.#news.empty(this.#endpoints.size === 0 ? this.whyEmpty() : undefined)
    if (isNews || changed) {
      this.#announce(
        next.added,
        next.removed.map(({ instance }) => instance),
      )
    }
  }

  #swap(): void {
    this.#pickerDue = false
    this.#picker.replace(() => this.#options.policy.current.balancer, this.endpoints, this.#excluded)
  }

  #distrust(cause: Error): void {
    const before = this.#freshness
    this.#freshness = afterFailure(before, cause, this.#options.clock.now())
    // Once an outage, not once a retry.
    if (!isFirstFailure(before)) return
    this.#news.failed(before, this.#endpoints.size, cause)
    this.#announce([], [])
  }

  #announce(added: readonly Instance[], removed: readonly Instance[]): void {
    const { instances } = this.#snapshot
    const retained = this.retained.map(({ instance }) => instance)
    const { suspect } = this
    this.#news.updated({ freshness: this.#freshness, suspect, instances, retained, added, removed })
  }

  /** The first word of discovery, or the first after a pause: a set, or that the one we have has to do. */
  #resolve(): void {
    if (!this.#picker.made) return
    this.#resolved = true
    this.#wake()
  }

  #wake(): void {
    const ready = [...this.#waiters].filter(([, minEndpoints]) => this.isReady(minEndpoints))
    for (const [waiter] of ready) this.#waiters.delete(waiter)
    if (this.#waiters.size === 0) this.#hold.end()
    for (const [waiter] of ready) waiter()
  }
}

/** All steps at once; returns what they come to. */
function allOf<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
