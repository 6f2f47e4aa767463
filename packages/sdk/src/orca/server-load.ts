import type { Clock } from '../clock.js'
import { LatencyByLoad } from './latency-by-load.js'
import { RollingRate } from './rolling-rate.js'
import { Utilization } from './utilization.js'

// Weights are made of it once a second; requests in flight and latency, which change faster, are said anew each time.
const STANDS_MS = 100

// gRPC and its like take a utilization of 0 for none at all. A process that answers is never at 0.
const LEAST_UTILIZATION = 0.0001

/** What a server counts of its own load, and reports as a load report of ORCA (the xDS API's `OrcaLoadReport`), in its textual form. */
export class ServerLoad {
  readonly #clock: Clock
  readonly #ownUtilization: (() => number) | undefined
  readonly #utilization: Utilization
  readonly #requests: RollingRate
  readonly #errors: RollingRate
  readonly #latencies = new LatencyByLoad()
  #inflight = 0
  #slow = ''
  #slowAt = -Infinity

  /** @param ownUtilization What the application takes for its utilization, instead of the event loop's. */
  constructor(clock: Clock, ownUtilization: (() => number) | undefined) {
    const now = clock.now()
    this.#clock = clock
    this.#ownUtilization = ownUtilization
    this.#utilization = new Utilization(clock)
    this.#requests = new RollingRate(now)
    this.#errors = new RollingRate(now)
  }

  get inflight(): number {
    return this.#inflight
  }

  /** A request has come. Call what is returned once at its end. */
  begin(): (answered: boolean) => void {
    const begun = this.#clock.now()
    const inflight = ++this.#inflight
    this.#requests.count(begun)
    return (answered) => {
      this.#inflight--
      if (!answered) return
      const now = this.#clock.now()
      this.#latencies.record(inflight, now - begun, now)
    }
  }

  /** A request is answered with an error of the server's. */
  countError(): void {
    this.#errors.count(this.#clock.now())
  }

  /**
   * The report, as the next request would find things.
   *
   * @param leaving How many of those in flight are being answered with it.
   */
  text(leaving: 0 | 1): string {
    const now = this.#clock.now()
    if (now - this.#slowAt >= STANDS_MS) {
      this.#slowAt = now
      this.#slow = this.#describe(now)
    }
    const inflight = this.#inflight - leaving
    const latencyMs = this.#latencies.expected(inflight + 1, now)
    const text = `${this.#slow},named_metrics.inflight=${inflight}`
    return latencyMs === undefined ? text : `${text},named_metrics.latency_ms=${rounded(latencyMs, 100)}`
  }

  #describe(now: number): string {
    const application = Math.max(LEAST_UTILIZATION, rounded(this.#application(), 10_000))
    const cpu = rounded(this.#utilization.cpu, 10_000)
    const requests = rounded(this.#requests.perSecond(now), 100)
    const errors = rounded(this.#errors.perSecond(now), 100)
    return `TEXT application_utilization=${application},cpu_utilization=${cpu},rps_fractional=${requests},eps=${errors}`
  }

  #application(): number {
    const own = this.#own()
    return own === undefined || !(own >= 0 && own < Infinity) ? this.#utilization.loop : own
  }

  /** It is the application's, and what it throws must not cost it a response. */
  #own(): number | undefined {
    try {
      return this.#ownUtilization?.()
    } catch {
      return undefined
    }
  }
}

function rounded(value: number, parts: number): number {
  return Math.round(value * parts) / parts
}
