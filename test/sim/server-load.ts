import { LatencyByLoad } from '#sdk/orca/latency-by-load.js'

// As long as a load report usually looks back.
const TAU_US = 1_000_000

/** Keeps what a server reports of its load, with responses and to probes. */
export class ServerLoad {
  #busy = 0
  #utilization = 0
  #rps = 0
  #eps = 0
  #atUs = 0
  readonly #latencies = new LatencyByLoad()

  /** From now on, so many of its allocated cores are in use. */
  use(busy: number, nowUs: number): void {
    this.#decay(nowUs)
    this.#busy = busy
  }

  /** @param met How many requests it met when it came. */
  answered(latencyUs: number, met: number, nowUs: number): void {
    this.#count(nowUs)
    this.#latencies.record(met + 1, latencyUs / 1000, nowUs / 1000)
  }

  failed(nowUs: number): void {
    this.#count(nowUs)
    this.#eps += 1_000_000 / TAU_US
  }

  /**
   * The value of a header `endpoint-load-metrics`: the share of its allocated cores in use (above 1 where it uses more),
   * answers and errors a second, each averaged over the last second; requests that it has; and what a request takes
   * that comes now.
   */
  report(inflight: number, nowUs: number): string {
    this.#decay(nowUs)
    return (
      `TEXT cpu_utilization=${this.#utilization.toFixed(4)}, rps_fractional=${this.#rps.toFixed(2)}, ` +
      `eps=${this.#eps.toFixed(2)}, named_metrics.inflight=${inflight}, ` +
      `named_metrics.latency_ms=${this.#latencies.expected(inflight + 1, nowUs / 1000) ?? 0}`
    )
  }

  #count(nowUs: number): void {
    this.#decay(nowUs)
    this.#rps += 1_000_000 / TAU_US
  }

  #decay(nowUs: number): void {
    const kept = Math.exp((this.#atUs - nowUs) / TAU_US)
    this.#utilization = this.#utilization * kept + this.#busy * (1 - kept)
    this.#rps *= kept
    this.#eps *= kept
    this.#atUs = nowUs
  }
}
