import type { Dispatcher } from 'undici'
import type { Candidate, LoadObserver } from '../balance/picker.js'
import type { Clock } from '../clock.js'
import type { Instance } from '../discovery/resolver.js'
import { FairleadError } from '../errors.js'
import type { Handler } from '../handler.js'
import type { Breaker, BreakerFactory, BreakerState, Outcome, Permit } from '../resilience/breaker.js'
import { Connections, type ConnectionsOptions, type Ending } from './connections.js'
import { PeakEwma } from './ewma.js'
import { Exchange, type ExchangeSide } from './exchange.js'

export interface EndpointOptions {
  readonly service: string
  readonly instance: Instance
  readonly connections: ConnectionsOptions
  readonly makeBreaker: BreakerFactory
  /** Told of every change of its circuit. */
  readonly onCircuit: (state: BreakerState) => void
  /** What its latency is taken for until it is measured, in milliseconds. */
  readonly seedMs: number
  readonly clock: Clock
}

/**
 * The live object of one instance: latency, load, circuit and connections. Same key, same object, across updates.
 * It is its latency estimate instead of having one, and what a pick reads comes first: among 10,000 endpoints a pick
 * waits for memory, and an object further costs it 17 of 95 ns.
 */
export class Endpoint extends PeakEwma implements Candidate, ExchangeSide {
  /** The usual case, on the object that a pick has in hand: the breaker is asked only while it is not. */
  #closed = true
  #inflight = 0
  observer: LoadObserver | undefined
  /** Discovery's latest word on it; written by the cluster's update only. */
  instance: Instance
  readonly breaker: Breaker
  readonly #service: string
  readonly #connections: Connections
  readonly #clock: Clock
  #requests = 0
  #failures = 0

  constructor(options: EndpointOptions) {
    super(options.seedMs, options.clock.now())
    this.instance = options.instance
    const report = (state: BreakerState): void => {
      this.#closed = state === 'closed'
      options.onCircuit(state)
    }
    this.breaker = options.makeBreaker(report, options.clock.now())
    this.#service = options.service
    this.#clock = options.clock
    const { origin, addresses } = options.instance
    this.#connections = new Connections(origin, { ...options.connections, addresses })
  }

  /** `host:port`, for people. */
  get address(): string {
    return this.instance.origin.slice(this.instance.origin.indexOf('//') + 2)
  }

  get available(): boolean {
    return this.#closed || this.breaker.available
  }

  get inflight(): number {
    return this.#inflight
  }

  /** Connections to it, busy and idle. */
  get connections(): number {
    return this.#connections.size
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
    return this.#inflight === 0 && !this.settled ? 0 : this.estimateUs(now)
  }

  /** Sends one request, and returns it for whoever may have to give it up. `undefined`: its circuit refused. */
  exchange(options: Dispatcher.DispatchOptions, handler: Handler, now: number): Exchange | undefined {
    const permit = this.breaker.acquire()
    if (permit === 0) {
      handler.onError(
        new FairleadError('CIRCUIT_OPEN', `the circuit of ${this.#service} at ${this.address} is open`, {
          service: this.#service,
          endpoint: this.address,
        }),
      )
      return undefined
    }
    const exchange = new Exchange(this, handler, permit, options.body, this.#clock, now)
    // fetch names an origin, the service's: on the wire it is this endpoint's.
    const addressed = options.origin === undefined ? options : { ...options, origin: this.instance.origin }
    this.#connections.send(addressed, exchange)
    return exchange
  }

  begin(): void {
    this.#requests++
    this.#inflight++
    this.observer?.loadChanged()
  }

  end(): void {
    this.#inflight--
    this.observer?.loadChanged()
  }

  release(exchange: Exchange, ending: Ending): void {
    this.#connections.release(exchange, ending)
  }

  judge(permit: Permit, outcome: Outcome, now: number): void {
    if (outcome === 'failure') this.#failures++
    this.breaker.record(permit, outcome, now)
  }

  /** Lets requests in flight finish, then closes its connections. */
  async close(): Promise<void> {
    await this.#connections.close()
    this.breaker.close()
  }

  /** Breaks off its requests with `error`. */
  async destroy(error: Error): Promise<void> {
    await this.#connections.destroy(error)
    this.breaker.close()
  }
}
