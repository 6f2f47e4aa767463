import type { Clock, Timer } from '../clock.js'
import type { Judge, Judged, JudgeFactory } from './judge.js'
import type { Outcome, OutcomeDetails } from './outcome.js'

const REASON = 'pushback'

/** How an endpoint is heeded that asks to be left alone. */
export interface PushbackOptions {
  /** The most that an endpoint is left alone for, whatever it asks, in milliseconds. */
  readonly maxMs: number
}

/**
 * Leaves an endpoint alone for as long as it asks (`Retry-After`): it is well, and its circuit hears of no failure. What
 * it asks for while it is left alone, by answers that were on their way, can only make it longer.
 */
export function pushback({ maxMs }: PushbackOptions, clock: Clock): JudgeFactory {
  return (endpoint) => new Pushback(endpoint, maxMs, clock)
}

class Pushback implements Judge {
  readonly #endpoint: Judged
  readonly #maxMs: number
  readonly #clock: Clock
  #since = 0
  #until = 0
  #timer: Timer | undefined

  constructor(endpoint: Judged, maxMs: number, clock: Clock) {
    this.#endpoint = endpoint
    this.#maxMs = maxMs
    this.#clock = clock
  }

  record(_outcome: Outcome, now: number, { pushbackMs }: OutcomeDetails): void {
    if (pushbackMs <= 0) return
    const until = now + Math.min(pushbackMs, this.#maxMs)
    if (this.#timer === undefined) this.#since = now
    else if (until <= this.#until) return
    this.close()
    this.#until = until
    this.#timer = this.#clock.setTimer(() => this.#lift(), until - now)
    this.#endpoint.restrict({ reason: REASON, kind: 'load', state: 'unavailable', since: this.#since, until })
  }

  close(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  #lift(): void {
    this.#timer = undefined
    this.#endpoint.lift(REASON)
  }
}
