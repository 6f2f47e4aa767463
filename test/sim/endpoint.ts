import type { BackendLoad, Instance } from '@fairlead/sdk'
import { instanceAt } from '@fairlead/sdk/testing'
import { withCallback, withoutCallback, type Callback } from '#sdk/collections/callbacks.js'
import type { Panic, Tiered } from '#sdk/balance/priorities/priorities.js'
import { PeakEwma } from '#sdk/endpoint/peak-ewma.js'
import type { Breaker, BreakerFactory, Outcome } from '#sdk/resilience/breaker.js'
import { SimProber } from './prober.js'
import type { SimServer } from './server.js'
import type { Timeline } from './timeline.js'
import type { Visit } from './visit.js'

/** What all endpoints of a client have in common. */
export interface SimEndpointKit {
  readonly timeline: Timeline
  readonly makeCircuit: BreakerFactory
  /** Told when an endpoint has become available, or is no longer. */
  readonly onAvailability: () => void
}

/**
 * What one client knows of one server: as the SDK's `Endpoint`, its own requests in flight, latency and circuit, and
 * nothing of what other clients do there.
 */
export class SimEndpoint extends PeakEwma implements Tiered {
  readonly instance: Instance
  readonly server: SimServer
  readonly reserved = false
  panic: Panic = 'none'
  /** Put there by a policy that wants to know what servers report; responses carry it from then on. */
  backendLoad: BackendLoad | undefined
  usableSince: number
  /** Has it ever been sent a request? */
  used = false
  readonly #kit: SimEndpointKit
  readonly #prober: SimProber
  #circuit: Breaker | undefined
  #inflight = 0
  #loadChanged: Callback | undefined

  constructor(server: SimServer, seedMs: number, usableSince: number, kit: SimEndpointKit) {
    super(seedMs, kit.timeline.now())
    this.server = server
    this.instance = instanceAt(`http://10.0.0.1:${server.name}`, { weight: server.machine.weight })
    this.usableSince = usableSince
    this.#kit = kit
    this.#prober = new SimProber(server, kit.timeline, (report) => this.#hear(report))
  }

  get available(): boolean {
    return this.panic === 'all' || this.usable
  }

  get usable(): boolean {
    return this.#circuit?.available !== false
  }

  get inflight(): number {
    return this.#inflight
  }

  /** As `Endpoint` has it: idle and not known yet counts as free. */
  latencyUs(now: number): number {
    return this.#inflight === 0 && !this.settled ? 0 : this.estimateUs(now)
  }

  /** Takes leave to send a request. `undefined`: its circuit refuses, and there is no panic. */
  begin(): number | undefined {
    this.#circuit ??= this.#makeCircuit()
    const permit = this.#circuit.acquire()
    if (permit === 0 && this.panic === 'none') return undefined
    this.#inflight++
    this.used = true
    this.#loadChanged?.()
    return permit
  }

  /** As an `Exchange` does: latency and circuit first, then the load goes down. */
  end(visit: Visit, outcome: Outcome): void {
    const now = this.#kit.timeline.now()
    const elapsedMs = now - visit.startedMs
    if (outcome === 'success') this.observe(elapsedMs, now)
    if (outcome === 'failure') this.penalize(elapsedMs, now)
    this.#circuit?.record(visit.permit, outcome, now)
    this.#inflight--
    this.#loadChanged?.()
    if (visit.report !== undefined) this.#hear(visit.report)
  }

  onLoadChange(loadChanged: Callback): void {
    this.#loadChanged = withCallback(this.#loadChanged, loadChanged)
  }

  offLoadChange(loadChanged: Callback): void {
    this.#loadChanged = withoutCallback(this.#loadChanged, loadChanged)
  }

  /** Asks the server for its load; whatever the path, the same answers. */
  probe(): void {
    if (this.backendLoad !== undefined) this.#prober.ask()
  }

  #hear(report: string): void {
    this.backendLoad?.receive(report, this.#kit.timeline.now())
  }

  #makeCircuit(): Breaker {
    const { makeCircuit, onAvailability, timeline } = this.#kit
    return makeCircuit((state) => {
      if (state === 'closed') this.usableSince = Math.floor(timeline.now())
      onAvailability()
    }, timeline.now())
  }
}
