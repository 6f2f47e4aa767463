import type { Clock, Timer } from '../clock.js'
import type { Judge, Judged, JudgeFactory } from './judge.js'
import type { Outcome, OutcomeDetails } from './outcome.js'
import { mostEjected } from './share.js'

const REASON = 'pushback'

/** How an endpoint is heeded that asks to be left alone. */
export interface PushbackOptions {
  /** The most that an endpoint is left alone for, whatever it asks, in milliseconds. */
  readonly maxMs: number
}

/**
 * Leaves an endpoint alone for as long as it asks (`Retry-After`): it is well, and its circuit hears of no failure. What
 * it asks for while it is left alone, by answers that were on their way, can only make it longer.
 *
 * At most half of the endpoints that are in use, and never the last one: what one caller is refused by its quota must not
 * leave all others to the rest, and where all ask for it there is nowhere to go.
 */
export function pushback({ maxMs }: PushbackOptions, clock: Clock): JudgeFactory {
  const fleet: Fleet = { judged: 0, leftAlone: 0 }
  return (endpoint) => new Pushback(endpoint, fleet, maxMs, clock)
}

const MOST_PERCENT = 50

/** What all of them together know. */
interface Fleet {
  judged: number
  leftAlone: number
}

class Pushback implements Judge {
  readonly #endpoint: Judged
  readonly #fleet: Fleet
  readonly #maxMs: number
  readonly #clock: Clock
  #since = 0
  #until = 0
  #timer: Timer | undefined

  constructor(endpoint: Judged, fleet: Fleet, maxMs: number, clock: Clock) {
    this.#endpoint = endpoint
    this.#fleet = fleet
    fleet.judged++
    this.#maxMs = maxMs
    this.#clock = clock
  }

  record(_outcome: Outcome, now: number, { pushbackMs }: OutcomeDetails): void {
    if (pushbackMs <= 0) return
    const until = now + Math.min(pushbackMs, this.#maxMs)
    if (this.#timer === undefined) {
      if (this.#fleet.leftAlone >= mostEjected(this.#fleet.judged, MOST_PERCENT)) return
      this.#since = now
    } else if (until <= this.#until) return
    this.#stop()
    this.#until = until
    this.#fleet.leftAlone++
    this.#timer = this.#clock.setTimer(() => this.#lift(), until - now)
    this.#endpoint.restrict({ reason: REASON, kind: 'load', state: 'unavailable', since: this.#since, until })
  }

  close(): void {
    this.#stop()
    this.#fleet.judged--
  }

  #stop(): void {
    if (this.#timer === undefined) return
    this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
    this.#fleet.leftAlone--
  }

  #lift(): void {
    this.#stop()
    this.#endpoint.lift(REASON)
  }
}
