import type { Clock } from '../clock.js'
import { LinkedList, type Linked } from '../collections/linked-list.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { Lease } from '../endpoint/lease.js'
import { NO_DETAILS, type Outcome, type OutcomeDetails } from '../resilience/outcome.js'

/** Hears that the client has ended a lease, as it was closed and its time limit came; `error` says so. */
export type LeaseEnded = (error: Error) => void

/** A lease of an endpoint that somebody else than our own transport uses, until it is released or the client ends it. */
export class HeldLease implements Linked<HeldLease> {
  before: HeldLease | undefined
  after: HeldLease | undefined
  readonly endpoint: Endpoint
  readonly #lease: Lease
  readonly #clock: Clock
  readonly #gone: (lease: HeldLease) => void
  readonly #ended: LeaseEnded

  constructor(
    endpoint: Endpoint,
    lease: Lease,
    clock: Clock,
    gone: (lease: HeldLease) => void,
    ended: LeaseEnded,
  ) {
    this.endpoint = endpoint
    this.#lease = lease
    this.#clock = clock
    this.#gone = gone
    this.#ended = ended
  }

  /** The clock's milliseconds. */
  get startedAt(): number {
    return this.#lease.startedAt
  }

  /** The earliest that something read at `now` can have come in: our own event loop may have been held up. */
  earliest(now: number): number {
    return this.#lease.earliest(now)
  }

  /**
   * The endpoint has answered. Counts once.
   *
   * @param since When it had what it answers, in the clock's milliseconds.
   */
  firstAnswer(since: number = this.startedAt): void {
    if (this.#lease.ended) return
    const now = this.#clock.now()
    // What was late to be read may have come in earlier.
    const leastMs = Math.max(0, this.#lease.earliest(now) - since)
    this.#lease.firstAnswer(now, now - since, leastMs)
  }

  /** How it went, and its end. Counts once. */
  release(outcome: Outcome, details: OutcomeDetails = NO_DETAILS): void {
    if (this.#lease.ended) return
    const now = this.#clock.now()
    this.#lease.outcome(outcome, now, this.earliest(now), details)
    this.#lease.end(now)
    this.#gone(this)
  }

  /** The client does not wait for it any longer: it says nothing of its endpoint. */
  end(error: Error): void {
    if (this.#lease.ended) return
    this.release('ignored')
    this.#ended(error)
  }
}

/** All leases of a client that are held outside of its own requests: what `close` waits for, and ends at its limit. */
export class Leases {
  readonly #clock: Clock
  readonly #held = new LinkedList<HeldLease>()
  #idle: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Those that have not been released. */
  get active(): number {
    return this.#held.size
  }

  /** Begins one use of an endpoint. `undefined`: its circuit refuses. */
  take(endpoint: Endpoint, ended: LeaseEnded): HeldLease | undefined {
    const lease = endpoint.lease(this.#clock.now())
    if (lease === undefined) return undefined
    const held = new HeldLease(endpoint, lease, this.#clock, this.#gone, ended)
    this.#held.append(held)
    return held
  }

  /** Resolves when none is left. */
  async idle(): Promise<void> {
    if (this.active > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  /** Ends those that are left. */
  destroy(error: Error): void {
    for (let lease = this.#held.first; lease !== undefined; lease = this.#held.first) lease.end(error)
  }

  readonly #gone = (lease: HeldLease): void => {
    this.#held.remove(lease)
    if (this.active === 0) this.#idle?.()
  }
}
