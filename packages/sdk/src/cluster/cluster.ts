import type { Balancer, PickContext, PickReport } from '../balance/picker.js'
import { inBackground, isAborted, nextTurn, type Clock } from '../clock.js'
import { placeOf } from '../discovery/place.js'
import type { ExcludedInstance, Instance, Resolver, ResolverEvent, Snapshot } from '../discovery/resolver.js'
import type { ServerPolicy } from '../discovery/server-policy.js'
import type { Logger } from '../logger.js'
import type { Random } from '../random.js'
import type { BreakerState } from '../resilience/breaker.js'
import type { Sessions } from '../sessions/sessions.js'
import { ClusterLog } from './cluster-log.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import { EndpointSet, type EndpointFactory } from './endpoint-set.js'
import { Following } from './subscription.js'
import { afterFailure, afterSet, isFirstFailure, whyEmpty, type Freshness } from './freshness.js'
import { countLeftOut, sameCounts } from './excluded-counts.js'
import { LivePicker } from './live-picker.js'
import { OnePerAddress } from './one-per-address.js'
import { ProcessHold } from '../runtime/process-hold.js'
import type { Held, RemovalGovernor } from './removal-governor.js'
import { Reserve } from './retained.js'

/** What has changed, for whoever follows a client. */
export interface ClusterChange {
  readonly freshness: Freshness
  /** What speaks against the last answer. */
  readonly doubt: string | undefined
  readonly instances: readonly Instance[]
  /** What is kept although it is not listed. */
  readonly reserve: readonly Instance[]
  /** To and from `instances` and `reserve` together. */
  readonly added: readonly Instance[]
  readonly removed: readonly Instance[]
}

export interface ClusterOptions {
  readonly service: string
  readonly resolver: Resolver
  /** Which balancer to use, by what the registry asks for; the same one for the same wish. */
  readonly balancer: (policy: ServerPolicy | undefined) => Balancer
  readonly createEndpoint: EndpointFactory
  /** Undefined: what is no longer listed is gone. */
  readonly governor: RemovalGovernor | undefined
  /** Without a pick for so long, in milliseconds, discovery is no longer followed; `Infinity`: it always is. */
  readonly idleMs: number
  /** Below this share of usable endpoints a level is balanced over all; 0: never. */
  readonly panicThreshold: number
  /** Undefined: no request has a session. */
  readonly sessions?: Sessions<Endpoint> | undefined
  /** Hears of every change; must not throw. */
  readonly onChange: (change: ClusterChange) => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

// To take so many instances in takes 2 ms, and 10 while the code that does it has not been compiled yet.
const LARGE_SET = 1000

/**
 * The endpoints of one service, and the one picker that chooses among them.
 * `update` is the only writer; a pick reads one reference.
 */
export class Cluster {
  readonly #options: ClusterOptions
  readonly #following: Following
  readonly #reserve: Reserve
  readonly #log: ClusterLog
  readonly #picker: LivePicker
  readonly #closing = new AbortController()
  /** Who waits, and for how many endpoints. */
  readonly #waiters = new Map<() => void, number>()
  /** Discovery is background work, and keeps no process alive; whoever waits for it does. */
  readonly #hold: ProcessHold
  readonly #endpoints: EndpointSet
  readonly #onePerAddress = new OnePerAddress()
  #snapshot: Snapshot = { kind: 'snapshot', instances: [], excluded: [] }
  #freshness: Freshness = { kind: 'waiting', cause: undefined }
  /** How many instances of each level the picker knows to be registered and left out. */
  #leftOut: ReadonlyMap<number, number> = new Map<number, number>()
  /** There is nothing to wait for. */
  #resolved = false
  /** Something that the picker is made of has changed since it was made. */
  #pickerDue = false
  /** While a large set is being taken in: its end. */
  #adoption: Promise<void> | undefined

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#hold = new ProcessHold(options.clock)
    const background = { ...options, clock: inBackground(options.clock) }
    this.#following = new Following({
      ...background,
      onEvent: (event, signal) => this.update(event, signal),
      onIdle: () => this.#rest(),
      isAwaited: () => this.#waiters.size > 0,
    })
    this.#endpoints = new EndpointSet(options)
    this.#log = new ClusterLog(options.service, options.resolver.name, options.logger)
    this.#picker = new LivePicker(background, this.#log)
    this.#reserve = new Reserve({ ...background, onEnd: () => void this.#reserveEnded() })
  }

  /** Those that discovery lists, and those in reserve. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints.all
  }

  get excluded(): readonly ExcludedInstance[] {
    return this.#snapshot.excluded
  }

  get freshness(): Freshness {
    return this.#freshness
  }

  /** What speaks against the last answer of discovery. */
  get doubt(): string | undefined {
    return this.#snapshot.suspect
  }

  /** What is kept although discovery no longer lists it. */
  get held(): readonly Held[] {
    return this.#reserve.held
  }

  /** The levels of which too few endpoints are usable, so that all of them are used; the first first. */
  get panicking(): readonly number[] {
    return this.#picker.panicking
  }

  /** What the registry asks of its clients. */
  get policy(): ServerPolicy | undefined {
    return this.#snapshot.policy
  }

  /** Is discovery not followed, until somebody asks? */
  get idle(): boolean {
    return !this.#following.active && !this.closed
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
    if (this.closed) return
    this.#following.start()
    this.#picker.start()
  }

  /** Stops following. The set stays; the next who needs it waits for discovery's word on it. */
  pause(): void {
    void this.#following.stop()
    this.#picker.stop()
    this.#reserve.lapse()
    this.#resolved = false
  }

  /** An endpoint that has not failed this request already, or else one that has. */
  pick(context: PickContext<Endpoint>): Endpoint | undefined {
    this.#following.used = true
    return this.#picker.pick(context)
  }

  /** Picks for nobody, and reports how. */
  explain(context: PickContext<Endpoint>, report: PickReport<Endpoint>): Endpoint | undefined {
    return this.#picker.explain(context, report)
  }

  /** Calls back once, when `resolved` has become true; returns how to stop waiting. */
  readonly onResolved = (callback: () => void): (() => void) => this.onReady(0, callback)

  /** Has discovery said its first word, with so many endpoints or more; or is the cluster closed? */
  isReady(minEndpoints: number): boolean {
    return this.closed || (this.resolved && (minEndpoints === 0 || this.listed >= minEndpoints))
  }

  /** Endpoints that discovery lists: those in reserve, which are not for every request, are left out. */
  get listed(): number {
    return this.endpoints.filter(({ reserved }) => !reserved).length
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

  /**
   * Takes in what discovery says: at once, or in several turns of the event loop where it is a large set.
   *
   * @param signal It is not discovery's last word: whoever asks next has to wait for another one.
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

  /** The circuit of an endpoint has changed its state. */
  circuitChanged(endpoint: Endpoint, state: BreakerState): void {
    if (state === 'open') endpoint.witness?.unreachable(endpoint, 'its circuit has opened')
    this.#picker.refresh()
  }

  /** Lets requests in flight finish, then closes all connections. */
  async close(): Promise<void> {
    await Promise.all([this.#leave(), this.#endpoints.close()])
  }

  /** Breaks off all requests with `error`. */
  async destroy(error: Error): Promise<void> {
    void this.#leave()
    await this.#endpoints.destroy(error)
  }

  #rest(): void {
    this.#log.rests(this.#options.idleMs)
    this.pause()
  }

  /** Resolves when discovery has ended its part. */
  #leave(): Promise<void> {
    this.#closing.abort()
    const ended = this.#following.stop()
    this.#reserve.close()
    this.#picker.close()
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

  async #reserveEnded(): Promise<void> {
    while (this.#adoption !== undefined) await this.#adoption.catch(() => undefined)
    if (!this.closed) allOf(this.#rebuild(false))
  }

  *#adopt(listed: Snapshot): Generator<void, void> {
    const before = this.#freshness
    // It comes where discovery fails at once after a pause, and is no newer than what we have had from it since.
    if (listed.savedAt !== undefined && (before.kind === 'fresh' || before.kind === 'stale')) return
    // The set was made in this turn.
    yield
    // Here, so that it holds for every resolver, and nothing behind it has to know that an address may be listed twice.
    const instances = this.#onePerAddress.of(listed.instances)
    const snapshot = instances === listed.instances ? listed : { ...listed, instances }
    yield
    this.#pickerDue ||= this.#snapshot.policy !== snapshot.policy
    this.#snapshot = snapshot
    this.#freshness = afterSet(before, snapshot.savedAt)
    this.#reserve.take(snapshot)
    this.#log.answered(before, snapshot)
    yield
    yield* this.#rebuild(true)
  }

  /**
   * Makes endpoints and picker those of the last snapshot and of what is held beside it.
   *
   * @param isNews There is something to announce in any case.
   */
  *#rebuild(isNews: boolean): Generator<void, void> {
    const held = new Map(this.held.map(({ instance }) => [placeOf(instance), instance]))
    const plan = this.#endpoints.plan(this.#snapshot.instances, held)
    this.#pickerDue ||= plan.changed
    yield
    const next = this.#endpoints.prepare(plan, held, this.#reserve)
    const leftOut = countLeftOut(this.excluded, (place) => next.endpoints.get(place)?.reserved === false)
    yield
    if (this.#options.sessions !== undefined) {
      yield* this.#options.sessions.prepare(next.endpoints.values())
      yield
    }
    this.#endpoints.adopt(next)
    this.#pickerDue ||= next.reserveChanged || !sameCounts(leftOut, this.#leftOut)
    this.#leftOut = leftOut
    if (this.#pickerDue || !this.#picker.made) this.#swap()
    const { changed } = plan
    this.#endpoints.retire(next)
    if (changed) this.#log.changed(next, this.excluded)
    this.#log.empty(this.#endpoints.size === 0 ? this.whyEmpty() : undefined)
    if (isNews || changed) {
      this.#announce(
        next.added,
        next.removed.map(({ instance }) => instance),
      )
    }
  }

  #swap(): void {
    this.#pickerDue = false
    this.#picker.replace(() => this.#options.balancer(this.policy), this.endpoints, this.#leftOut)
  }

  #distrust(cause: Error): void {
    const before = this.#freshness
    this.#freshness = afterFailure(before, cause, this.#options.clock.now())
    // Once an outage, not once a retry.
    if (!isFirstFailure(before)) return
    this.#log.failed(before, this.#endpoints.size, cause)
    this.#announce([], [])
  }

  #announce(added: readonly Instance[], removed: readonly Instance[]): void {
    const { instances, suspect: doubt } = this.#snapshot
    const reserve = this.held.map(({ instance }) => instance)
    this.#options.onChange({ freshness: this.#freshness, doubt, instances, reserve, added, removed })
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

/** All steps at once. */
function allOf(steps: Generator<void, void>): void {
  while (steps.next().done !== true);
}
