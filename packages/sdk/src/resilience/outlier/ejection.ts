import type { Clock, Timer } from '../../clock.js'
import type { Random } from '../../random.js'
import type { Judged } from '../judge.js'
import type { EjectionSettings } from './outlier-options.js'

const REASON = 'ejected'

/** What all ejections of a client have in common. */
export interface EjectionContext {
  readonly settings: EjectionSettings
  /** Of the background. */
  readonly clock: Clock
  readonly random: Random
}

/**
 * Keeps requests from one endpoint for `baseEjectionTimeMs` times its multiplier, and no longer than `maxEjectionTimeMs`.
 * The multiplier grows by one with each ejection, and falls by one with each interval without. Source: gRFC A50.
 */
export class Ejection {
  readonly #endpoint: Judged
  readonly #context: EjectionContext
  #multiplier = 0
  /** Since when it is not ejected. */
  #endedAt = 0
  #timer: Timer | undefined

  constructor(endpoint: Judged, context: EjectionContext) {
    this.#endpoint = endpoint
    this.#context = context
  }

  get active(): boolean {
    return this.#timer !== undefined
  }

  begin(): void {
    if (this.active) return
    const { settings, clock, random } = this.#context
    const now = clock.now()
    const healthy = Math.floor((now - this.#endedAt) / settings.intervalMs)
    this.#multiplier = Math.max(0, this.#multiplier - healthy) + 1
    const longest = Math.max(settings.baseEjectionTimeMs, settings.maxEjectionTimeMs)
    const jitter = settings.maxEjectionTimeJitterMs * random.next()
    const lasts = Math.min(settings.baseEjectionTimeMs * this.#multiplier, longest) + jitter
    this.#timer = clock.setTimer(() => this.end(), lasts)
    this.#endpoint.restrict({
      reason: REASON,
      kind: 'health',
      state: 'unavailable',
      since: now,
      until: now + lasts,
    })
  }

  end(): void {
    if (!this.active) return
    this.close()
    this.#endedAt = this.#context.clock.now()
    this.#endpoint.lift(REASON)
  }

  /** Lets go of the timer; its endpoint is gone. */
  close(): void {
    if (this.#timer !== undefined) this.#context.clock.clearTimer(this.#timer)
    this.#timer = undefined
  }
}
