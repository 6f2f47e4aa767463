import type { Dispatcher } from 'undici'
import type { Panic, Prioritized } from '../balance/priorities/priorities.js'
import type { Clock } from '../clock.js'
import { withCallback, withoutCallback, type Callback } from '../collections/callbacks.js'
import type { Instance } from '../discovery/resolver.js'
import { asError, FairleadError, reasonOf } from '../errors.js'
import type { BackendLoad } from '../orca/backend-load.js'
import type { BreakerFactory, Permit } from '../resilience/breaker.js'
import { isFailure, NO_DETAILS, type Outcome, type OutcomeDetails } from '../resilience/outcome.js'
import type { RecentLatency } from '../resilience/recent-latency.js'
import type { Pong, Silence, Watched } from '../resilience/stall/silence.js'
import type { StallDetector } from '../resilience/stall/stall-detector.js'
import type { LoopWatch } from '../runtime/loop-watch.js'
import type { Transport, TransportFactory } from '../transport/transport.js'
import { Restrictions } from './availability.js'
import {
  AVAILABLE,
  type Availability,
  type Judge,
  type JudgeFactory,
  type Restriction,
} from '../resilience/judge.js'
import { Circuit } from './circuit.js'
import type { Classifier } from './classify.js'
import { HttpAttempt, type AttemptedEndpoint, type AttemptListener } from './http-attempt.js'
import { Lease } from './lease.js'
import { LoadProber } from './load-probe.js'
import { PeakEwma } from './peak-ewma.js'

// About as long as Consul takes to pass a change on.
const LEAVES: OutcomeDetails = Object.freeze({ statusCode: 0, pushbackMs: 2000 })

const NO_JUDGES: readonly Judge[] = Object.freeze([])

/** What all endpoints of a client have in common. */
export interface EndpointDependencies {
  /** Who sends requests to an instance. */
  readonly createTransport: TransportFactory
  /** Undefined: no circuit ever opens. */
  readonly makeBreaker: BreakerFactory | undefined
  /** Those beside the circuit. */
  readonly judges: readonly JudgeFactory[]
  /** Undefined: no silence counts. */
  readonly stalls?: StallDetector | undefined
  /** Asks an instance whether it is there. Of no use without `stalls`. */
  readonly ping?: ((instance: Instance, onResult: (pong: Pong) => void) => () => void) | undefined
  /** Undefined: nobody asks for it. */
  readonly recent?: RecentLatency | undefined
  readonly classifier: Classifier
  /** Hears of every change of its state, or of the reason for it. */
  readonly onAvailability: (endpoint: Endpoint, availability: Availability, before: Availability) => void
  /** Hears what an observer of a balancer's threw. */
  readonly onObserverFailed: (error: Error) => void
  /** Whether this process reads its responses in time. */
  readonly loop: LoopWatch
  readonly clock: Clock
}

/** Hears what live traffic says of an endpoint that discovery no longer lists. */
export interface RetainedObserver {
  /** It has answered. */
  answered(endpoint: Endpoint): void
  /** No connection could be made, or it has become unavailable; `reason` is for people. */
  unreachable(endpoint: Endpoint, reason: string): void
}

/**
 * The live object of one instance: latency, load, availability and its transport. Same key, same object, across updates.
 * It is its latency estimate instead of having one, and what a pick reads comes first: among 10,000 endpoints a pick
 * waits for memory, and an object further costs it 17 of 95 ns.
 */
export class Endpoint extends PeakEwma implements Prioritized, Watched, AttemptedEndpoint {
  /** What a pick reads of availability: what the judges say, and what a panic makes of it. */
  #available = true
  #inflight = 0
  #loadChanged: Callback | undefined
  /** Discovery's latest word on it; written by the cluster's update only. */
  instance: Instance
  /** Set while it is retained although no longer listed; written by the cluster only. */
  observer: RetainedObserver | undefined
  usableSince: number
  backendLoad: BackendLoad | undefined
  silence: Silence | undefined
  readonly #dependencies: EndpointDependencies
  #panic: Panic = 'none'
  /** Of 10,000 endpoints most are never sent a request; all below are made for the first one. */
  #restrictions: Restrictions | undefined
  #circuit: Circuit | undefined
  #judges: readonly Judge[] | undefined
  #transport: Transport | undefined
  #prober: LoadProber | undefined
  /** Has it been closed or destroyed? It is of no use to ask it for its load then. */
  #ended = false
  #requests = 0
  #failures = 0

  /**
   * @param seedMs What its latency is taken for until it is measured, in milliseconds.
   * @param usableSince Since when it has been in use, in whole milliseconds of the clock.
   */
  constructor(instance: Instance, seedMs: number, usableSince: number, dependencies: EndpointDependencies) {
    super(seedMs, dependencies.clock.now())
    this.instance = instance
    this.usableSince = usableSince
    this.#dependencies = dependencies
  }

  /** `host:port`, for people. */
  get address(): string {
    return this.instance.origin.slice(this.instance.origin.indexOf('//') + 2)
  }

  get available(): boolean {
    return this.#available
  }

  get blocked(): boolean {
    return this.#restrictions?.blocks === true
  }

  get excludedInPanic(): boolean {
    return this.#restrictions?.proven === true
  }

  get panic(): Panic {
    return this.#panic
  }

  set panic(panic: Panic) {
    // It had its requests, and would now wait for its time; where half of its peers are back it may be, too.
    if (this.#panic !== 'none' && panic === 'none') this.#circuit?.hasten()
    this.#panic = panic
    this.#available = panic === 'all' || !this.blocked
  }

  /** Whether it is available and why not, for people; whatever a panic makes of it. */
  get availability(): Availability {
    return this.#restrictions?.availability ?? AVAILABLE
  }

  get classifier(): Classifier {
    return this.#dependencies.classifier
  }

  get recent(): RecentLatency | undefined {
    return this.#dependencies.recent
  }

  get loop(): LoopWatch {
    return this.#dependencies.loop
  }

  get inflight(): number {
    return this.#inflight
  }

  /** Connections to it, busy and idle. */
  get connections(): number {
    return this.#transport?.connections ?? 0
  }

  /** Does discovery no longer list it? */
  get retained(): boolean {
    return this.observer !== undefined
  }

  get listed(): boolean {
    return !this.#ended && !this.retained
  }

  /** Requests ever sent to it. */
  get requests(): number {
    return this.#requests
  }

  /** Of these, how many failed: no response, or one that says so. */
  get failures(): number {
    return this.#failures
  }

  latencyUs(now: number): number {
    // Not known yet, and idle: the next request finds out. While it is on its way the estimate stands, so that the
    // others do not all follow (as in Finagle's PeakEwma: free before the first request, not while it is pending).
    // In this order: that it is settled the processor foresees, and whether it is idle it does not, for 8 ns of a pick.
    return !this.settled && this.#inflight === 0 ? 0 : this.estimateUs(now)
  }

  /** One use of it, by any protocol. `undefined`: its circuit refuses. */
  lease(now: number): Lease | undefined {
    const permit = this.#acquire()
    return permit === undefined ? undefined : new Lease(this, permit, now)
  }

  /** One HTTP request to it, yet to be sent. `undefined`: its circuit refuses. */
  attempt(
    options: Dispatcher.DispatchOptions,
    listener: AttemptListener<Endpoint>,
    previous: HttpAttempt<Endpoint> | undefined,
    now: number,
  ): HttpAttempt<Endpoint> | undefined {
    // Before the leave, which a half-open circuit has one of, in case that it throws.
    const transport = this.#openTransport()
    const permit = this.#acquire()
    if (permit === undefined) return undefined
    // fetch names an origin, the service's: on the wire it is this endpoint's.
    const addressed = options.origin === undefined ? options : { ...options, origin: this.instance.origin }
    return new HttpAttempt(
      this,
      transport,
      permit,
      addressed,
      listener,
      previous,
      this.#dependencies.clock,
      now,
    )
  }

  onLoadChange(loadChanged: Callback): void {
    this.#loadChanged = withCallback(this.#loadChanged, loadChanged)
  }

  offLoadChange(loadChanged: Callback): void {
    this.#loadChanged = withoutCallback(this.#loadChanged, loadChanged)
  }

  /** The picker that observed it is not used any more, whether it has said so or not. */
  unobserveAll(): void {
    this.#loadChanged = undefined
    this.backendLoad?.unobserveAll()
  }

  probe(path: string): void {
    if (this.backendLoad === undefined || this.#ended) return
    this.#prober ??= new LoadProber(this, this.#openTransport(), this.#dependencies.clock)
    this.#prober.ask(path)
  }

  ping(onResult: (pong: Pong) => void): () => void {
    const { ping } = this.#dependencies
    if (ping === undefined) return () => undefined
    return ping(this.instance, onResult)
  }

  begin(): void {
    this.#requests++
    this.#inflight++
    if (this.#loadChanged !== undefined) this.#tellLoad(this.#loadChanged)
  }

  end(): void {
    this.#inflight--
    if (this.#loadChanged !== undefined) this.#tellLoad(this.#loadChanged)
  }

  record(permit: Permit, outcome: Outcome, now: number, details: OutcomeDetails = NO_DETAILS): void {
    if (isFailure(outcome)) this.#failures++
    else if (outcome === 'success') this.observer?.answered(this)
    this.#circuit?.record(permit, outcome, now)
    // Nearly always there is none beside the circuit.
    if (this.#judges !== undefined && this.#judges.length > 0) {
      for (const judge of this.#judges) judge.record(outcome, now, details)
    }
  }

  unreachable(error: Error): void {
    this.observer?.unreachable(this, reasonOf(error))
  }

  observerFailed(error: Error): void {
    this.#dependencies.onObserverFailed(error)
  }

  restrict(restriction: Restriction): void {
    const before = this.availability
    ;(this.#restrictions ??= new Restrictions()).set(restriction)
    this.#availabilityChanged(before)
    // What waits for a connection has not been sent, and is better off elsewhere.
    if (
      restriction.kind === 'health' &&
      restriction.state === 'unavailable' &&
      before.state === 'available'
    ) {
      this.#transport?.unqueue?.(
        new FairleadError('UNAVAILABLE', `${this.address} is unavailable (${restriction.reason})`),
      )
    }
  }

  lift(reason: string): void {
    const before = this.availability
    this.#restrictions?.delete(reason)
    this.#availabilityChanged(before)
  }

  /** Opens connections before requests come, until there are so many. */
  preconnect(count: number): void {
    if (this.#ended) return
    try {
      this.#openTransport().preconnect(count)
    } catch {
      // An origin that is none: its first request says so.
    }
  }

  /** Lets requests in flight finish, then closes its connections; undefined: it has never been used. */
  close(): Promise<void> | undefined {
    this.#endProbes()
    if (this.#judges === undefined && this.#transport === undefined) return undefined
    // A lease of another protocol has no connection here, and may end later.
    return (this.#transport?.close() ?? Promise.resolve()).then(() => this.#endJudges())
  }

  /** Aborts its requests with `error`. */
  async destroy(error: Error): Promise<void> {
    this.#endProbes()
    await this.#transport?.destroy(error)
    this.#endJudges()
  }

  /** An observer may be a balancer of the user's: what it throws is not to stop what it only observes. */
  #tellLoad(loadChanged: Callback): void {
    try {
      loadChanged()
    } catch (thrown) {
      this.observerFailed(asError(thrown))
    }
  }

  #availabilityChanged(before: Availability): void {
    // What a panic makes of it.
    this.panic = this.#panic
    const { availability } = this
    if (availability.state === before.state && availability.reason === before.reason) return
    // What it did has cost it this time already. As a latency it would keep requests away for a minute more, also the one
    // that a half-open circuit waits for.
    if (before.state === 'unavailable' && availability.state !== 'unavailable') {
      this.forget()
      for (const judge of this.#judges ?? NO_JUDGES) judge.readmitted?.()
    }
    if (availability.state === 'available') this.usableSince = Math.floor(this.#dependencies.clock.now())
    this.#dependencies.onAvailability(this, availability, before)
  }

  /** Leave of the circuit, which a panic sets aside. */
  #acquire(): Permit | undefined {
    if (this.#judges === undefined) this.#makeJudges()
    const permit = this.#circuit === undefined ? 1 : this.#circuit.acquire(this.#panic !== 'none')
    return permit === 0 ? undefined : permit
  }

  #openTransport(): Transport {
    return (this.#transport ??= this.#dependencies.createTransport(this.instance, () => this.#leaving()))
  }

  /** As if it had asked for it: to be left alone for the moment that discovery takes to know, or to be back. */
  #leaving(): void {
    const now = this.#dependencies.clock.now()
    for (const judge of this.#judges ?? []) judge.record('ignored', now, LEAVES)
  }

  #makeJudges(): void {
    const { makeBreaker, judges, stalls, clock } = this.#dependencies
    if (makeBreaker !== undefined) this.#circuit = new Circuit(this, makeBreaker, clock)
    const now = clock.now()
    this.#judges = judges.map((makeJudge) => makeJudge(this, now))
    if (!this.#ended) this.silence = stalls?.watch(this)
  }

  /** Its own requests may still finish; probes are not waited for. */
  #endProbes(): void {
    this.#ended = true
    this.#prober?.end()
    // Nobody is sent there any more, so that it is not asked whether it is there.
    if (this.silence !== undefined) this.#dependencies.stalls?.unwatch(this.silence)
    this.silence = undefined
  }

  #endJudges(): void {
    this.#circuit?.close()
    for (const judge of this.#judges ?? []) judge.close()
    this.#circuit = undefined
    this.#judges = NO_JUDGES
  }
}
