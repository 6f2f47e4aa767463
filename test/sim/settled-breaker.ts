import { isFailure, type Outcome } from '#sdk/resilience/outcome.js'
import type { Breaker, BreakerFactory, BreakerState, Permit } from '#sdk/resilience/breaker.js'
import type { Timeline } from './timeline.js'

/** These breakers, with nothing else happening between an outcome and the change of state that it brings about. */
export function settledBreaker(makeBreaker: BreakerFactory, timeline: Timeline): BreakerFactory {
  return (report, now) => new SettledBreaker(makeBreaker(report, now), timeline)
}

/** opossum hears of a failure some microtasks later. */
class SettledBreaker implements Breaker {
  readonly #breaker: Breaker
  readonly #timeline: Timeline

  constructor(breaker: Breaker, timeline: Timeline) {
    this.#breaker = breaker
    this.#timeline = timeline
  }

  get state(): BreakerState {
    return this.#breaker.state
  }

  get available(): boolean {
    return this.#breaker.available
  }

  acquire(inPanic: boolean): Permit {
    return this.#breaker.acquire(inPanic)
  }

  record(permit: Permit, outcome: Outcome, now: number): void {
    this.#breaker.record(permit, outcome, now)
    if (isFailure(outcome)) this.#timeline.unsettle()
  }

  hasten(): void {
    this.#breaker.hasten()
  }

  close(): void {
    this.#breaker.close()
  }
}
