import { build, type Histogram } from 'hdr-histogram-js'
import type { SimServer } from './server.js'

/**
 * How a request ended, for its caller. `error`: a response of status 500. `refused`: no connection, so that nothing was
 * written. `reset`: its connection was lost.
 */
export type CallResult = 'success' | 'error' | 'refused' | 'reset' | 'deadline' | 'no endpoint'

/** What became of the requests of some span of time. */
export class Tally {
  arrived = 0
  readonly ended: Map<CallResult, number> = new Map<CallResult, number>()
  /** Attempts by server. */
  readonly attempts: Map<SimServer, number> = new Map<SimServer, number>()
  /** Microseconds: of what was answered, and of what had waited until its deadline. */
  readonly latency: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 10_000_000,
    numberOfSignificantValueDigits: 3,
  })

  sent(server: SimServer): void {
    this.attempts.set(server, (this.attempts.get(server) ?? 0) + 1)
  }

  closed(result: CallResult, elapsedMs: number): void {
    this.ended.set(result, (this.ended.get(result) ?? 0) + 1)
    // A quick failure is not a quick answer; it stands among the errors.
    if (result === 'success' || result === 'deadline') this.latency.recordValue(Math.round(elapsedMs * 1000))
  }

  get answered(): number {
    return this.ended.get('success') ?? 0
  }

  get failed(): number {
    return this.closedInAll - this.answered
  }

  get closedInAll(): number {
    return [...this.ended.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Neither answered nor failed yet. */
  get open(): number {
    return this.arrived - this.closedInAll
  }
}
