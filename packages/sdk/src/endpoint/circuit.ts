import type { Breaker, BreakerFactory, BreakerState, Permit } from '../resilience/breaker.js'
import type { Outcome } from '../resilience/outcome.js'
import type { Judged } from '../resilience/judge.js'

/** What the endpoint is unavailable by. */
const REASON = 'circuit_open'

/**
 * The judge that a circuit breaker makes: open, its endpoint is unavailable; half open, one request at a time probes it.
 * Unlike other judges it is asked for a permit: a probe is told from other requests by its permit.
 */
export class Circuit {
  readonly #endpoint: Judged
  readonly #breaker: Breaker
  readonly #clock: { now(): number }
  #state: BreakerState = 'closed'
  #since = 0
  #until: number | undefined

  constructor(endpoint: Judged, makeBreaker: BreakerFactory, clock: { now(): number }) {
    this.#endpoint = endpoint
    this.#clock = clock
    this.#breaker = makeBreaker((state, resetMs) => this.#enter(state, resetMs), clock.now())
  }

  /** Leave to send one request; 0: none, which cannot be where a panic sets it aside. */
  acquire(inPanic: boolean): Permit {
    const permit = this.#breaker.acquire(inPanic)
    if (this.#state === 'half_open') this.#restrict()
    return permit
  }

  /** How the request with this permit went. */
  record(permit: Permit, outcome: Outcome, now: number): void {
    this.#breaker.record(permit, outcome, now)
    if (this.#state === 'half_open') this.#restrict()
  }

  /** What it opened by is over. */
  hasten(): void {
    this.#breaker.hasten()
  }

  close(): void {
    this.#breaker.close()
  }

  #enter(state: BreakerState, resetMs: number | undefined): void {
    const now = this.#clock.now()
    if (this.#state === 'closed') this.#since = now
    this.#state = state
    this.#until = resetMs === undefined ? undefined : now + resetMs
    if (state === 'closed') this.#endpoint.lift(REASON)
    else this.#restrict()
  }

  #restrict(): void {
    const about = { reason: REASON, kind: 'health', since: this.#since, until: this.#until } as const
    if (this.#state === 'open') this.#endpoint.restrict({ ...about, state: 'unavailable' })
    else this.#endpoint.restrict({ ...about, state: 'probing', busy: !this.#breaker.available })
  }
}
