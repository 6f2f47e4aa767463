import type { Judged } from '../resilience/judge.js'
import type { CheckResult } from './health-check.js'
import type { HealthCheckLimits } from './health-check-option.js'

const REASON = 'health_check_failed'

/**
 * What the checks of one endpoint come to: the judge behind `health_check_failed`.
 *
 * The rules are those of Envoy's active health checks: an answer that is not a healthy one counts at once; no answer does
 * so after `unhealthyThreshold` in a row; and `healthyThreshold` in a row bring the endpoint back. Other than there, an
 * endpoint that has not been checked yet is healthy, as its registry calls it so.
 */
export class HealthRecord {
  readonly #endpoint: Pick<Judged, 'restrict' | 'lift'>
  readonly #limits: HealthCheckLimits
  #unhealthy = false
  /** In a row: checks without an answer while it is healthy, checks that it has passed while it is not. */
  #count = 0

  constructor(endpoint: Pick<Judged, 'restrict' | 'lift'>, limits: HealthCheckLimits) {
    this.#endpoint = endpoint
    this.#limits = limits
  }

  get unhealthy(): boolean {
    return this.#unhealthy
  }

  /** It has had requests, which tell of its health. */
  used(): void {
    this.#count = 0
  }

  /** @param onUnhealthy Hears why it has become unhealthy, before it is made unavailable. */
  found(result: CheckResult, now: number, onUnhealthy: (why: string) => void): void {
    const { kind } = result
    if (kind === 'unknown') return
    if (this.#unhealthy === (kind !== 'healthy')) {
      this.#count = 0
      return
    }
    this.#count++
    const { healthyThreshold, unhealthyThreshold } = this.#limits
    if (kind === 'healthy') {
      if (this.#count >= healthyThreshold) this.#recover()
    } else if (kind === 'unhealthy' || this.#count >= unhealthyThreshold) {
      onUnhealthy(result.why)
      this.#fail(now)
    }
  }

  #fail(now: number): void {
    this.#unhealthy = true
    this.#count = 0
    this.#endpoint.restrict({
      reason: REASON,
      kind: 'health',
      state: 'unavailable',
      since: now,
      until: undefined,
    })
  }

  #recover(): void {
    this.#unhealthy = false
    this.#count = 0
    this.#endpoint.lift(REASON)
  }
}
