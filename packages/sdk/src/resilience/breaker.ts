import type { Outcome } from './outcome.js'

/** `closed`: requests pass. `open`: none does. `half_open`: one probe at a time does, and its outcome decides. */
export type BreakerState = 'closed' | 'open' | 'half_open'

/**
 * Leave to send one request. 0 is a rejection; any other value names the period between two changes of state in
 * which it was given, so that a result from before the circuit opened cannot pass for that of the probe. Below 0 it is
 * leave that only a panic gave.
 */
export type Permit = number

/**
 * A circuit breaker for one endpoint, in two phases, since a request starts and ends in different places.
 * Neither phase throws or waits.
 */
export interface Breaker {
  readonly state: BreakerState
  /** Would `acquire` give leave? Pure; pickers read it. */
  readonly available: boolean
  /**
   * Takes leave to send a request; half open there is leave for one probe at a time.
   *
   * @param inPanic The request is sent in any case: its success shows that the endpoint has recovered.
   */
  acquire(inPanic: boolean): Permit
  /** How the request went: exactly once for each leave given. `now`: the clock's milliseconds. */
  record(permit: Permit, outcome: Outcome, now: number): void
  /** Open, it is half open in a turn of its own: the panic is over, in which it had its requests all the same. */
  hasten(): void
  /** Lets go of timers; the breaker is not used again. */
  close(): void
}

/**
 * Makes the breaker of an endpoint that is new at `now`. `report` is told of every change of state; `resetMs`: after how
 * many milliseconds it leaves that state by itself, undefined where it does not.
 */
export type BreakerFactory = (
  report: (state: BreakerState, resetMs: number | undefined) => void,
  now: number,
) => Breaker
