import type { Outcome, OutcomeDetails } from './outcome.js'

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
  /** Peers answer while it does not: it is no matter of our own network, and no panic sets it aside. */
  readonly proven?: true
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
  /** Does discovery list it? Neither does it count for its peers where it is retained, nor when it has been removed. */
  readonly listed: boolean
  /** Is it kept from requests at this moment, by whichever judge? Whatever a panic makes of that. */
  readonly blocked: boolean
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
  record(outcome: Outcome, now: number, details: OutcomeDetails): void
  /** Its endpoint gets requests again, whichever judge kept them from it: what it did before has had its price. */
  readmitted?(): void
  /** Lets go of timers; its endpoint is gone. */
  close(): void
}

/** Makes the judge of an endpoint, for its first request, at `now`. */
export type JudgeFactory = (endpoint: Judged, now: number) => Judge

/** Of an endpoint without restrictions. */
export const AVAILABLE: Availability = Object.freeze({
  state: 'available',
  reason: undefined,
  kind: undefined,
  since: undefined,
  until: undefined,
})
