import type { Clock } from '../clock.js'
import type { Transport } from '../transport/transport.js'
import { takeLoadReport, type ReportingEndpoint } from './load-report.js'
import { ProbeRequest } from './probe-request.js'

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
  #probe: ProbeRequest | undefined
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
    let reported = false
    const options = { method: 'GET', path } as const
    this.#probe = new ProbeRequest(options, TIMEOUT_MS, this.#transport, this.#clock, {
      onHead: (_statusCode, headers) => (reported ||= takeLoadReport(this.#endpoint, headers, this.#clock)),
      onEnd: () => {
        this.#probe = undefined
        if (!reported) this.#pausedUntil = this.#clock.now() + PAUSE_MS
      },
    })
    this.#probe.send()
  }

  /** Cancels what is on its way; nothing is sent any more. */
  end(): void {
    this.#ended = true
    this.#probe?.cancel()
  }
}
