import type { Outcome } from '../resilience/outcome.js'

/** Why an endpoint is not sent requests, or one at a time only: what one judge has to say of it. */
export interface Restriction {
  /** What is told to people and metrics: `circuit_open`, `ejected` and their like. One restriction for each. */
  readonly reason: string
  /** `probing`: one request at a time finds out whether it is over. */
  readonly state: 'unavailable' | 'probing'
  /** No request now: while it is unavailable, and while a probe is on its way. */
  readonly blocks: boolean
  /** The clock's milliseconds. */
  readonly since: number
  /** When it ends by itself, in the clock's milliseconds; undefined: not known. */
  readonly until: number | undefined
}

/** What is visible of an endpoint's availability; plain data. */
export interface Availability {
  /** `probing`: one request at a time finds out whether it can be used again. */
  readonly state: 'available' | 'probing' | 'unavailable'
  /** Why it is not available, such as `circuit_open`; undefined: it is. */
  readonly reason: string | undefined
  /** Since when, in the clock's milliseconds. */
  readonly since: number | undefined
  /** When that ends by itself, in the clock's milliseconds; undefined: not known. */
  readonly until: number | undefined
}

/** What a judge sees of its endpoint, and may do to it. */
export interface Judged {
  /** `host:port`, for people. */
  readonly address: string
  /** Sets what this judge has to say, in place of what it said by the same reason before. */
  restrict(restriction: Restriction): void
  /** Takes it back. */
  lift(reason: string): void
}

/**
 * Decides on the availability of one endpoint, by how its requests go, time, or whatever else it knows. Several of them
 * make one {@link Availability}. A circuit breaker is one; outlier detection, health checks, pushback are others.
 */
export interface Judge {
  /** One request of its endpoint has an outcome. */
  record(outcome: Outcome, now: number): void
  /** Lets go of timers; its endpoint is gone. */
  close(): void
}

/** Makes the judge of an endpoint, for its first request, at `now`. */
export type JudgeFactory = (endpoint: Judged, now: number) => Judge

const NONE: readonly Restriction[] = Object.freeze([])

/** Of an endpoint without restrictions. */
export const AVAILABLE: Availability = Object.freeze({
  state: 'available',
  reason: undefined,
  since: undefined,
  until: undefined,
})

/** What all judges of one endpoint say, together. */
export class Restrictions {
  #all = NONE

  /** Is there one that keeps requests away at this moment? */
  get blocks(): boolean {
    return this.#all.some(({ blocks }) => blocks)
  }

  get none(): boolean {
    return this.#all.length === 0
  }

  /** The one that counts most: what keeps requests away, and of these what ends last. */
  get availability(): Availability {
    const [first] = this.#all.toSorted(byWeight)
    if (first === undefined) return AVAILABLE
    const { state, reason, since, until } = first
    return { state, reason, since, until }
  }

  /** Says whether the state by this reason is another one than before. */
  set(restriction: Restriction): boolean {
    const before = this.#of(restriction.reason)
    this.#all = [...this.#without(restriction.reason), restriction]
    return before?.state !== restriction.state
  }

  /** Says whether there was one. */
  delete(reason: string): boolean {
    const there = this.#of(reason) !== undefined
    this.#all = this.#without(reason)
    return there
  }

  #of(reason: string): Restriction | undefined {
    return this.#all.find((restriction) => restriction.reason === reason)
  }

  #without(reason: string): readonly Restriction[] {
    return this.#all.filter((restriction) => restriction.reason !== reason)
  }
}

function byWeight(a: Restriction, b: Restriction): number {
  if (a.state !== b.state) return a.state === 'unavailable' ? -1 : 1
  return (b.until ?? Infinity) - (a.until ?? Infinity)
}
