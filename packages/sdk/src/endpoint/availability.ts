import type { Outcome } from '../resilience/outcome.js'

/** Why an endpoint is not sent requests, or one at a time only: what one judge has to say of it. */
export type Restriction = {
  /** What is told to people and metrics: `circuit_open`, `ejected` and their like. One restriction for each. */
  readonly reason: string
  /** `health`: it fails. `load`: it is well, and asks for less. */
  readonly kind: 'health' | 'load'
  /** The clock's milliseconds. */
  readonly since: number
  /** When it ends by itself, in the clock's milliseconds; undefined: not known. */
  readonly until: number | undefined
} & (
  | { readonly state: 'unavailable' }
  /** One request at a time finds out whether it is over. `busy`: that one is on its way. */
  | { readonly state: 'probing'; readonly busy: boolean }
)

/** What is visible of an endpoint's availability; plain data. */
export interface Availability {
  /** `probing`: one request at a time finds out whether it can be used again. */
  readonly state: 'available' | 'probing' | 'unavailable'
  /** Why it is not available, such as `circuit_open`; undefined: it is. */
  readonly reason: string | undefined
  /** `health`: it fails. `load`: it is well, and asks for less. `undefined`: it is available. */
  readonly kind: 'health' | 'load' | undefined
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
  kind: undefined,
  since: undefined,
  until: undefined,
})

/** What all judges of one endpoint say, together. */
export class Restrictions {
  #all = NONE

  /** Is there one that keeps requests away at this moment? */
  get blocks(): boolean {
    return this.#all.some(blocks)
  }

  /** The one that counts most: what keeps requests away before a probe, health before load, and of these what ends last. */
  get availability(): Availability {
    const [first] = this.#all.toSorted(byWeight)
    if (first === undefined) return AVAILABLE
    const { state, reason, kind, since, until } = first
    return { state, reason, kind, since, until }
  }

  /** In place of the one by the same reason. */
  set(restriction: Restriction): void {
    this.delete(restriction.reason)
    this.#all = [...this.#all, restriction]
  }

  delete(reason: string): void {
    this.#all = this.#all.filter((restriction) => restriction.reason !== reason)
  }
}

function blocks(restriction: Restriction): boolean {
  return restriction.state === 'unavailable' || restriction.busy
}

function byWeight(a: Restriction, b: Restriction): number {
  return (
    Number(b.state === 'unavailable') - Number(a.state === 'unavailable') ||
    Number(b.kind === 'health') - Number(a.kind === 'health') ||
    Number(blocks(b)) - Number(blocks(a)) ||
    latest(b) - latest(a)
  )
}

/** One whose end is not known may outlast any other; a finite number, as two of them are equal. */
function latest({ until = Number.MAX_VALUE }: Restriction): number {
  return until
}
