/** `ignored`: the caller went away, so the endpoint showed neither health nor sickness. */
export type Outcome = 'success' | 'failure' | 'ignored'

/** `closed`: requests pass. `open`: none does. `half_open`: one probe at a time does, and its outcome decides. */
export type BreakerState = 'closed' | 'open' | 'half_open'

/**
 * Leave to send one request. 0 is a refusal; any other value names the period between two changes of state in
 * which it was given, so that a result from before the circuit opened cannot pass for that of the probe.
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
  /** Takes leave to send a request; half open there is leave for one probe at a time. */
  acquire(): Permit
  /** How the request went: exactly once for each leave given. `now`: the clock's milliseconds. */
  record(permit: Permit, outcome: Outcome, now: number): void
  /** Lets go of timers; the breaker is not used again. */
  close(): void
}

/** Makes the breaker of an endpoint that is new at `now`; `report` is told of every change of state. */
export type BreakerFactory = (report: (state: BreakerState) => void, now: number) => Breaker

/** The breaker that never opens. */
export const alwaysClosed: Breaker = Object.freeze({
  state: 'closed',
  available: true,
  acquire: () => 1,
  record: () => undefined,
  close: () => undefined,
})
