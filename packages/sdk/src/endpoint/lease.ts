import type { LoopWatch } from '../runtime/loop-watch.js'
import type { Permit } from '../resilience/breaker.js'
import { isFailure, NO_DETAILS, type Outcome, type OutcomeDetails } from '../resilience/outcome.js'

/** What a lease writes to on its endpoint. */
export interface LeaseAccounting {
  /** Tells what of a response's time may be our own. */
  readonly loop: LoopWatch
  /** A request began; the load went up. */
  begin(): void
  /** It answered after so many milliseconds. */
  observe(sampleMs: number, now: number): void
  /** It answered, after so many milliseconds at least and so many at most. */
  observeBetween(leastMs: number, mostMs: number, now: number): void
  /** It failed after so many milliseconds. */
  penalize(elapsedMs: number, now: number): void
  /** How it went, once. */
  record(permit: Permit, outcome: Outcome, now: number, details: OutcomeDetails): void
  /** It ended in whatever way; the load went down. */
  end(): void
}

/**
 * One use of an endpoint, by any protocol: begun, a first answer, one outcome, one end. The only one that writes the
 * endpoint's load, latency and health. Latency ends at the first answer; the load ends with the end, exactly once in any
 * order of events; an outcome is given once, and what comes later says nothing.
 */
export class Lease {
  readonly #accounting: LeaseAccounting
  readonly #permit: Permit
  // A number from the start: V8 boxes every value of a field that was once undefined.
  #startedAt = 0
  #awaited = true
  #outcome: Outcome | undefined
  #ended = false

  /** @param permit The leave of the endpoint's circuit. */
  constructor(accounting: LeaseAccounting, permit: Permit, now: number) {
    this.#accounting = accounting
    this.#permit = permit
    this.#startedAt = now
    accounting.loop.begin(now)
    accounting.begin()
  }

  /** The clock's milliseconds. */
  get startedAt(): number {
    return this.#startedAt
  }

  /** How it went; undefined: not known yet. */
  get decided(): Outcome | undefined {
    return this.#outcome
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The earliest that something read at `now` can have come in. */
  earliest(now: number): number {
    return this.#accounting.loop.earliest(now)
  }

  /**
   * The endpoint has answered, so many milliseconds after it had the request; by default since it began. Counts once.
   *
   * @param leastMs Where it is not known exactly: at the least.
   */
  firstAnswer(now: number, mostMs: number = now - this.#startedAt, leastMs: number = mostMs): void {
    if (!this.#awaited) return
    this.#settle()
    if (leastMs === mostMs) this.#accounting.observe(mostMs, now)
    else this.#accounting.observeBetween(leastMs, mostMs, now)
  }

  /**
   * How it went. Counts once.
   *
   * @param knownSince The earliest that it can have been known, by the clock.
   */
  outcome(
    outcome: Outcome,
    now: number,
    knownSince: number = this.earliest(now),
    details: OutcomeDetails = NO_DETAILS,
  ): void {
    if (this.#outcome !== undefined) return
    this.#outcome = outcome
    // How long a stream went on before it failed says nothing of latency.
    const elapsedSince = this.#awaited ? this.#startedAt : knownSince
    this.#settle()
    if (isFailure(outcome) || outcome === 'overloaded') this.penalize(now, knownSince, elapsedSince)
    this.#accounting.record(this.#permit, outcome, now, details)
  }

  /** Its endpoint is of less use than its latency says, by the time from `since` to `until`, whatever its outcome was. */
  penalize(now: number, until: number = now, since: number = until): void {
    this.#accounting.penalize(Math.max(0, until - since), now)
  }

  /**
   * The endpoint has no more to do for it. One without an outcome is `ignored`: a half-open probe gives its leave back.
   *
   * @param now Read only where it has no outcome.
   */
  end(now: number): void {
    if (this.#ended) return
    this.#ended = true
    this.outcome('ignored', now, now)
    this.#accounting.end()
  }

  /** No answer is awaited any more. */
  #settle(): void {
    if (!this.#awaited) return
    this.#awaited = false
    this.#accounting.loop.end()
  }
}
