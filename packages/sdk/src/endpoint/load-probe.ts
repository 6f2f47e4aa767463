import { errors, type Dispatcher } from 'undici'
import { nextTurn, type Clock, type Timer } from '../clock.js'
import type { Abort } from '../transport/handler.js'
import type { Transport, TransportRequest } from '../transport/transport.js'
import { inOwnContext } from '../runtime/own-context.js'
import { takeLoadReport, type ReportingEndpoint } from './load-report.js'

// Probes are answered without work (Prequal's take below a millisecond, and it abandons them at 3 ms within a
// datacenter): after a second the answer says nothing of now. It is also how long a probe can keep a process from its end.
const TIMEOUT_MS = 1000

// For a server without a reporter, or in trouble: two requests a minute are not a flood, and a reporter that a
// deployment brings is found soon enough.
const PAUSE_MS = 30_000

/**
 * Asks one endpoint for its load, one GET at a time on the endpoint's connections, and beside its traffic: neither the
 * circuit nor requests in flight nor latency hear of it. What fails is silent, and is let be for a while.
 */
export class LoadProber {
  readonly #endpoint: ReportingEndpoint
  readonly #transport: Transport
  readonly #clock: Clock
  #probe: Probe | undefined
  #pausedUntil = -Infinity
  #ended = false

  constructor(endpoint: ReportingEndpoint, transport: Transport, clock: Clock) {
    this.#endpoint = endpoint
    this.#transport = transport
    this.#clock = clock
  }

  /** Sends a probe in a later turn: who asks is in the middle of a pick. */
  ask(path: string): void {
    if (this.#probe !== undefined || this.#ended || this.#clock.now() < this.#pausedUntil) return
    const probe = new Probe(path, this.#endpoint, this.#transport, this.#clock, (reported) => {
      this.#probe = undefined
      if (!reported) this.#pausedUntil = this.#clock.now() + PAUSE_MS
    })
    this.#probe = probe
    inOwnContext(() => void nextTurn().then(() => probe.send()))
  }

  /** Cancels what is on its way; nothing is sent any more. */
  end(): void {
    this.#ended = true
    this.#probe?.cancel()
  }
}

class Probe implements TransportRequest {
  carrier: object | undefined
  before: TransportRequest | undefined
  after: TransportRequest | undefined
  readonly options: Dispatcher.DispatchOptions
  readonly context = undefined
  written = false
  answered = false
  readonly #endpoint: ReportingEndpoint
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #onEnd: (reported: boolean) => void
  #timer: Timer | undefined
  #abort: Abort | undefined
  #reported = false
  #over = false

  constructor(
    path: string,
    endpoint: ReportingEndpoint,
    transport: Transport,
    clock: Clock,
    onEnd: (reported: boolean) => void,
  ) {
    this.options = { method: 'GET', path }
    this.#endpoint = endpoint
    this.#transport = transport
    this.#clock = clock
    this.#onEnd = onEnd
  }

  send(): void {
    if (this.#over) return
    this.#timer = this.#clock.setTimer(() => this.cancel(), TIMEOUT_MS)
    this.#transport.send(this)
  }

  cancel(): void {
    if (!this.#end()) return
    this.#transport.release(this, 'cancelled')
    this.#abort?.(new errors.RequestAbortedError())
  }

  onConnect(abort: Abort): void {
    if (this.#over) abort(new errors.RequestAbortedError())
    else this.#abort = abort
    this.written = true
  }

  onHeaders(statusCode: number, headers: Buffer[]): boolean {
    // Interim responses (1xx) come before the one that counts.
    if (!this.#over && statusCode >= 200 && takeLoadReport(this.#endpoint, headers, this.#clock)) {
      this.#reported = true
    }
    return true
  }

  onData(): boolean {
    return true
  }

  onComplete(): void {
    if (this.#end()) this.#transport.release(this, 'complete')
  }

  onError(): void {
    if (this.#end()) this.#transport.release(this, 'failed')
  }

  /** False: it has ended before. */
  #end(): boolean {
    if (this.#over) return false
    this.#over = true
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#onEnd(this.#reported)
    return true
  }
}
