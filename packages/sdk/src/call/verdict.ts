import type { Pass } from '../admission/pass.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { HttpAttempt } from '../endpoint/http-attempt.js'
import { isReplayable } from '../request/bodies.js'
import type { Outcome } from '../resilience/outcome.js'

/** Whose attempts these are. */
interface Judged {
  readonly pass: Pass | undefined
  readonly options: { readonly body?: unknown }
}

/**
 * What it says of its endpoint that an attempt has no answer by now, and for the limit of concurrency how long that took.
 *
 * @param lateMs So much later than its time: our own event loop was held up.
 */
export function silenceOf(
  call: Judged,
  attempt: HttpAttempt<Endpoint>,
  lateMs: number,
  now: number,
): Outcome {
  const outcome = attempt.silence(lateMs, usualMs(attempt.endpoint, now))
  // It would have taken longer still.
  if (outcome === 'local_failure') measure(call, attempt, now - lateMs, now)
  return outcome
}

/** For the limit of concurrency: how long the answer of an attempt took, if it speaks of the endpoint. */
export function measureAnswer(call: Judged, attempt: HttpAttempt<Endpoint>, now: number): void {
  if ((attempt.decided ?? 'success') === 'success') measure(call, attempt, attempt.earliest(now), now)
}

/**
 * From when it was let through. Not of a call that was retried, as in Karn's algorithm: its time is that of a failure as
 * well; nor of a stream, whose time is its sender's.
 *
 * @param earliest When it can have come in at the earliest: our own event loop's delay is not the service's.
 */
function measure(
  { pass, options }: Judged,
  attempt: HttpAttempt<Endpoint>,
  earliest: number,
  now: number,
): void {
  if (attempt.ordinal > 1 || !isReplayable(options.body)) return
  const { startedAt } = attempt
  pass?.observe(Math.max(0, earliest - startedAt), now - startedAt, now)
}

// All but the tail.
const USUAL = 0.9

/**
 * How long an answer takes, in milliseconds; 0: not known. Whose time is shorter says nothing: by asking for the impossible,
 * one caller could open the circuits of all endpoints. Of all endpoints, and of what was answered: the estimate of one
 * that hangs is raised by that, and would excuse it.
 */
function usualMs(endpoint: Endpoint, now: number): number {
  const usual = endpoint.recent?.quantile(USUAL)
  return usual ?? (endpoint.settled ? endpoint.estimateUs(now) / 1000 : 0)
}
