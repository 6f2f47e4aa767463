import type { Dispatcher } from 'undici'
import type { BackendLoad } from '../orca/backend-load.js'
import { withCallback, withoutCallback, type Callback } from '../collections/callbacks.js'
import type { Panic, Tiered } from '../balance/priorities/priorities.js'
import type { Clock } from '../clock.js'
import type { Instance } from '../discovery/resolver.js'
import { FairleadError, reasonOf } from '../errors.js'
import type { Handler } from '../transport/handler.js'
import type { Breaker, BreakerFactory, BreakerState, Outcome, Permit } from '../resilience/breaker.js'
import { Connections, type ConnectionsOptions, type Ending } from '../transport/http1.js'
import { PeakEwma } from './peak-ewma.js'
import { Exchange, type ExchangeSide } from './exchange.js'
import { LoadProber } from './load-probe.js'
import type { LoopWatch } from '../runtime/loop-watch.js'

/** What all endpoints of a client have in common. */
export interface EndpointKit {
  readonly service: string
  readonly connections: ConnectionsOptions
  readonly makeBreaker: BreakerFactory
  /** Told of every change of a circuit. */
  readonly onCircuit: (endpoint: Endpoint, state: BreakerState) => void
  /** Whether this process reads its responses in time. */
  readonly loop: LoopWatch
  readonly clock: Clock
}

/** Hears what live traffic says of an endpoint that discovery no longer lists. */
export interface ReserveWitness {
  /** It has answered. */
  answered(endpoint: Endpoint): void
  /** No connection could be made, or its circuit has opened; `reason` is for people. */
  unreachable(endpoint: Endpoint, reason: string): void
}

/**
 * The live object of one instance: latency, load, circuit and connections. Same key, same object, across updates.
 * It is its latency estimate instead of having one, and what a pick reads comes first: among 10,000 endpoints a pick
 * waits for memory, and an object further costs it 17 of 95 ns.
 */
export class Endpoint extends PeakEwma implements Tiered, ExchangeSide {
  /** The usual case, on the object that a pick has in hand: the breaker is asked only while it is not. */
  #closed = true
  #inflight = 0
  #loadChanged: Callback | undefined
  /** Discovery's latest word on it; written by the cluster's update only. */
  instance: Instance
  /** Set while it is in reserve; written by the cluster only. */
  witness: ReserveWitness | undefined
  /** Too few others are left to be choosy: it is sent requests whatever its circuit says. Written by the tiers only. */
  panic: Panic = 'none'
  usableSince: number
  backendLoad: BackendLoad | undefined
  readonly #kit: EndpointKit
  /** Of 10,000 endpoints most are never sent a request; these two are made for the first one. */
  #breaker: Breaker | undefined
  #connections: Connections | undefined
  #prober: LoadProber | undefined
  /** Has it been closed or destroyed? It is of no use to ask it for its load then. */
  #ended = false
  #requests = 0
  #failures = 0

  /**
   * @param seedMs What its latency is taken for until it is measured, in milliseconds.
   * @param usableSince Since when it has been in use, in whole milliseconds of the clock.
   */
  constructor(instance: Instance, seedMs: number, usableSince: number, kit: EndpointKit) {
    super(seedMs, kit.clock.now())
    this.instance = instance
    this.usableSince = usableSince
    this.#kit = kit
  }

  /** `host:port`, for people. */
  get address(): string {
    return this.instance.origin.slice(this.instance.origin.indexOf('//') + 2)
  }

  get available(): boolean {
    return this.#closed || this.panic === 'all' || this.usable
  }

  /** Our own judgement of it, whatever becomes of that. */
  get usable(): boolean {
    return this.#closed || this.#breaker?.available !== false
  }

  get loop(): LoopWatch {
    return this.#kit.loop
  }

  get inflight(): number {
    return this.#inflight
  }

  /** Connections to it, busy and idle. */
  get connections(): number {
    return this.#connections?.size ?? 0
  }

  get circuit(): BreakerState {
    return this.#breaker?.state ?? 'closed'
  }

  /** Does discovery no longer list it? */
  get reserved(): boolean {
    return this.witness !== undefined
  }

  /** Requests ever sent to it. */
  get requests(): number {
    return this.#requests
  }

  /** Of these, how many failed: no response, or one of status 5xx. */
  get failures(): number {
    return this.#failures
  }

  latencyUs(now: number): number {
    // Not known yet, and idle: the next request finds out. While it is on its way the estimate stands, so that the
    // others do not all follow (as in Finagle's PeakEwma: free before the first request, not while it is pending).
    // In this order: that it is settled the processor foresees, and whether it is idle it does not, for 8 ns of a pick.
    return !this.settled && this.#inflight === 0 ? 0 : this.estimateUs(now)
  }

  /** Sends one request, and returns it for whoever may have to give it up. `undefined`: its circuit refused. */
  exchange(options: Dispatcher.DispatchOptions, handler: Handler, now: number): Exchange | undefined {
    const { service, clock } = this.#kit
    const breaker = (this.#breaker ??= this.#makeBreaker())
    const permit = breaker.acquire()
    // In a panic it is sent without leave, and the circuit hears nothing of it: only a probe closes that.
    if (permit === 0 && this.panic === 'none') {
      handler.onError(
        new FairleadError('CIRCUIT_OPEN', `the circuit of ${service} at ${this.address} is open`, {
          service,
          endpoint: this.address,
        }),
      )
      return undefined
    }
    // fetch names an origin, the service's: on the wire it is this endpoint's.
    const addressed = options.origin === undefined ? options : { ...options, origin: this.instance.origin }
    const exchange = new Exchange(this, handler, permit, addressed, clock, now)
    this.#connect().send(exchange)
    return exchange
  }

  onLoadChange(loadChanged: Callback): void {
    this.#loadChanged = withCallback(this.#loadChanged, loadChanged)
  }

  offLoadChange(loadChanged: Callback): void {
    this.#loadChanged = withoutCallback(this.#loadChanged, loadChanged)
  }

  /** Whoever observed it is not used any more, whether it has said so or not. */
  unobserveAll(): void {
    this.#loadChanged = undefined
    this.backendLoad?.unobserveAll()
  }

  probe(path: string): void {
    if (this.backendLoad === undefined || this.#ended) return
    this.#prober ??= new LoadProber(this, this.#connect(), this.#kit.clock)
    this.#prober.ask(path)
  }

  begin(): void {
    this.#requests++
    this.#inflight++
    this.#loadChanged?.()
  }

  end(): void {
    this.#inflight--
    this.#loadChanged?.()
  }

  resend(exchange: Exchange): boolean {
    return this.#connect().resend(exchange)
  }

  release(exchange: Exchange, ending: Ending): void {
    this.#connections?.release(exchange, ending)
  }

  judge(permit: Permit, outcome: Outcome, now: number): void {
    if (outcome === 'failure') this.#failures++
    else if (outcome === 'success') this.witness?.answered(this)
    this.#breaker?.record(permit, outcome, now)
  }

  unreachable(error: Error): void {
    this.witness?.unreachable(this, reasonOf(error))
  }

  /** Lets requests in flight finish, then closes its connections; undefined: it has never had a request. */
  close(): Promise<void> | undefined {
    this.#endProbes()
    return this.#connections?.close().then(() => this.#breaker?.close())
  }

  /** Breaks off its requests with `error`. */
  async destroy(error: Error): Promise<void> {
    this.#endProbes()
    await this.#connections?.destroy(error)
    this.#breaker?.close()
  }

  #connect(): Connections {
    return (this.#connections ??= new Connections(this.instance, this.#kit.connections))
  }

  /** Its own requests may still finish; nobody waits for a probe. */
  #endProbes(): void {
    this.#ended = true
    this.#prober?.end()
  }

  #makeBreaker(): Breaker {
    const { makeBreaker, onCircuit, clock } = this.#kit
    return makeBreaker((state) => {
      this.#closed = state === 'closed'
      if (this.#closed) this.usableSince = Math.floor(clock.now())
      onCircuit(this, state)
    }, clock.now())
  }
}
