import type { NotRetried } from '../resilience/not-retried.js'
import { whyNotRetry } from '../resilience/retry.js'
import type { Call } from './call.js'
import type { FailedAttempt } from './call-owner.js'

/** Why there is no other attempt, whatever the budget says; undefined: there may be one. */
export function whyFinal(
  call: Call,
  { fault, written, unprocessed }: Pick<FailedAttempt, 'fault' | 'written' | 'unprocessed'>,
): NotRetried | undefined {
  const { attempts } = call.policy
  if (attempts === 1) return RETRIES_OFF
  if (fault === 'response') return RESPONSE_TOO_LARGE
  const why = whyNotRepeated(call, written, unprocessed)
  if (why !== undefined) return why
  if (call.spent >= attempts) return { code: 'attempts_exhausted', text: `${attempts} attempts are the most` }
  if (call.attempts >= MOST) return { code: 'attempts_exhausted', text: `${MOST} endpoints were tried` }
  return written && call.ofRetry ? RETRY_ITSELF : undefined
}

// What is not written is free, but not for ever: where that many cannot be reached, the next one will hardly be.
const MOST = 10

/** Why it must not be sent again, whatever its policy. */
export function whyNotRepeated(call: Call, written: boolean, unprocessed = false): NotRetried | undefined {
  const { method } = call.options
  // Provably unwritten is the usual failure, and needs no look at headers.
  const idempotent = unprocessed || (written && call.idempotent)
  return whyNotRetry({ method, idempotent, body: call.body, written })
}

const RETRIES_OFF: NotRetried = { code: 'retries_off', text: 'retries are off (option retry)' }
const RESPONSE_TOO_LARGE: NotRetried = {
  code: 'response_too_large',
  text: 'another endpoint would answer the same (option connections.maxResponseHeaderBytes)',
}
const RETRY_ITSELF: NotRetried = {
  code: 'retry_itself',
  text: 'it is a retry itself, by the header that counts its attempts',
}
