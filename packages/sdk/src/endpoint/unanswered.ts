import type { Clock } from '../clock.js'
import { RecentLatency } from '../resilience/recent-latency.js'
import { PeakEwma } from './peak-ewma.js'

// All but the tail.
const USUAL = 0.9

/**
 * How long a first answer takes, of all endpoints that somebody else than our own transport calls, and by what was
 * answered only: the estimate of one that hangs would be raised by that, and excuse it.
 */
export class AnswerTimes {
  readonly #recent: RecentLatency
  /** Stands in while there are few. */
  readonly #average: PeakEwma

  constructor(clock: Pick<Clock, 'now'>) {
    this.#recent = new RecentLatency(clock)
    this.#average = new PeakEwma(0, clock.now())
  }

  observe(ms: number, now: number): void {
    this.#recent.record(ms, now)
    this.#average.observe(ms, now)
  }

  /** In milliseconds; next to 0 where nothing was answered yet. */
  usualMs(now: number): number {
    return this.#recent.quantile(USUAL) ?? this.#average.estimateUs(now) / 1000
  }
}

/** A call whose time is over; all by the clock, in milliseconds. */
export interface UnansweredCall {
  /** When it asked for an endpoint. */
  readonly since: number
  /** When the endpoint had the last of what it is to answer. */
  readonly sentAt: number
  /** When an answer could have been read last: what came while our own event loop was held up has not been. */
  readonly until: number
}

/**
 * Does it say something of the endpoint that it let the time of a call pass? Not where it had the call for less than half
 * of that, or for less than answers take: by asking for the impossible, one caller could open the circuits of all endpoints.
 */
export function isItsFault({ since, sentAt, until }: UnansweredCall, usualMs: number): boolean {
  const given = until - sentAt
  return given > 0 && given >= usualMs && given * 2 >= until - since
}
