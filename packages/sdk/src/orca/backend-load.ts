import { withCallback, withoutCallback, type Callback } from '../collections/callbacks.js'
import { parseLoadReport } from './parse.js'

/** Since when a backend has reported without a gap of a certain length. */
interface Streak {
  readonly gapMs: number
  since: number
}

// 3 min, as `weight_expiration_period` of gRPC A58.
const GAP_MS = 180_000

/**
 * What a backend says of its own load, in the header `endpoint-load-metrics` of its responses (ORCA, as Envoy and gRPC
 * have it). A policy that goes by it puts one at {@link Candidate.backendLoad} when it is built; only then are responses
 * looked through for the header.
 *
 * @example
 * ```ts
 * import { BackendLoad, createClient, type Balancer } from '@fairlead/sdk'
 *
 * const leastUtilized: Balancer = (endpoints) => {
 *   for (const endpoint of endpoints) endpoint.backendLoad ??= new BackendLoad()
 *   const sorted = [...endpoints]
 *   return {
 *     refresh: () => {
 *       sorted.sort((a, b) => (a.backendLoad?.utilization ?? 0) - (b.backendLoad?.utilization ?? 0))
 *     },
 *     pick: ({ tried }) => sorted.find((endpoint) => endpoint.available && !tried.includes(endpoint)),
 *   }
 * }
 * const orders = createClient('orders', { balancer: leastUtilized })
 * ```
 */
export class BackendLoad {
  /** As a part of what it can do: `application_utilization` where it says that, else `cpu_utilization`; may be above 1. */
  utilization = 0
  /** Requests a second. */
  qps = 0
  /** Errors a second. */
  eps = 0
  /** Requests in flight; -1: it does not say. */
  inflight = -1
  /** What it expects a request to take now, in whole microseconds; -1: it does not say. */
  latencyUs = -1
  /** When it last reported, in the clock's milliseconds; -1: never. */
  reportedAt = -1
  /**
   * When it last reported both load and requests, in the clock's milliseconds; -1: never. gRPC goes by such reports only:
   * an idle backend's says nothing of what it can do.
   */
  nonEmptyAt = -1
  /** How much it does for its load, by the last report that was not empty: `qps`, `utilization` and `eps` of that. */
  readonly lastNonEmpty: {
    /** Requests a second. */
    qps: number
    /** Of its capacity, 1 being all of it. */
    utilization: number
    /** Errors a second. */
    eps: number
  } = { qps: 0, utilization: 0, eps: 0 }
  #reported: Callback | undefined
  /** One for each length of gap that a policy reads. */
  readonly #streaks: Streak[] = [{ gapMs: GAP_MS, since: -1 }]

  /** Since when it has done so without a gap of 3 min; -1: never. */
  get nonEmptySince(): number {
    return this.nonEmptySinceGap(GAP_MS)
  }

  /** The same for a gap of so many milliseconds, from when that is first asked on. */
  nonEmptySinceGap(gapMs: number): number {
    for (const streak of this.#streaks) if (streak.gapMs === gapMs) return streak.since
    // What it was before is known for gaps of the default length only.
    const since = gapMs >= GAP_MS ? this.nonEmptySince : this.nonEmptyAt
    this.#streaks.push({ gapMs, since })
    return since
  }

  /** Has it call back with each report, for a policy that goes by each as it comes; any number may. */
  onReport(reported: () => void): void {
    this.#reported = withCallback(this.#reported, reported)
  }

  /** Ends what `onReport` began. */
  offReport(reported: () => void): void {
    this.#reported = withoutCallback(this.#reported, reported)
  }

  /** Its observers are not used any more. */
  unobserveAll(): void {
    this.#reported = undefined
  }

  /**
   * Takes the value of the header, in the format `TEXT` or `JSON`. Never throws: it comes from a server that is not ours
   * to trust, and what is malformed or absurd is ignored as a whole, so that the last report stands.
   *
   * @param now The clock's time in milliseconds.
   */
  receive(text: string, now: number): void {
    const report = parseLoadReport(text)
    if (report === undefined) return
    this.utilization = report.utilization
    this.qps = report.qps
    this.eps = report.eps
    this.inflight = report.inflight
    this.latencyUs = report.latencyMs < 0 ? -1 : Math.round(report.latencyMs * 1000)
    this.reportedAt = now
    if (report.utilization > 0 && report.qps > 0) this.#receiveNonEmpty(now)
    this.#reported?.()
  }

  /** Says again what it said last, as of now. */
  repeat(now: number): void {
    this.reportedAt = now
    this.#reported?.()
  }

  #receiveNonEmpty(now: number): void {
    for (const streak of this.#streaks)
      if (this.nonEmptyAt < 0 || now - this.nonEmptyAt >= streak.gapMs) streak.since = now
    this.nonEmptyAt = now
    this.lastNonEmpty.qps = this.qps
    this.lastNonEmpty.utilization = this.utilization
    this.lastNonEmpty.eps = this.eps
  }
}
