import type { Dispatcher } from 'undici'
import { headerValues } from '../hashing/request-fields.js'
import { isReplayable } from '../request/bodies.js'
import type { NotRetried } from './not-retried.js'

/** What the question "does it harm to send this twice?" depends on. */
export interface Repeatable {
  readonly method: string
  /** The caller's word on whether sending twice does no harm; overrides the method. */
  readonly idempotent?: boolean | undefined
  /** One with an `Idempotency-Key` may be sent twice, whatever its method. */
  readonly headers?: Dispatcher.DispatchOptions['headers']
}

/** What the question "may this be sent again?" depends on. */
export interface FailedAttempt extends Repeatable {
  readonly body: unknown
  /** May a byte of it have reached the endpoint? */
  readonly written: boolean
}

// draft-ietf-httpapi-idempotency-key-header: the server makes one of requests with the same key.
const KEY = 'idempotency-key'
// RFC 9110, 9.2.2.
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** May it reach the endpoint twice? */
export function isIdempotent({ method, idempotent, headers }: Repeatable): boolean {
  return idempotent ?? (IDEMPOTENT.has(method) || headerValues(headers, KEY) !== undefined)
}

/** May this request reach the endpoint twice, and can it? Not asked of its headers, as this is for every request. */
export function mayBeRepeated(
  options: Pick<Dispatcher.DispatchOptions, 'method' | 'idempotent' | 'body'>,
): boolean {
  const { method, idempotent, body } = options
  return isIdempotent({ method, idempotent }) && isReplayable(body)
}

/** Why this must not be sent again, whatever the policy; `undefined` when it may. */
export function whyNotRetry(attempt: FailedAttempt): NotRetried | undefined {
  // Provably not written: the endpoint has not seen it, whatever it is, and its body is untouched.
  if (!attempt.written) return undefined
  if (!isIdempotent(attempt)) {
    const text = `${attempt.method} is not idempotent and may have reached the endpoint`
    return { code: 'not_idempotent', text }
  }
  return isReplayable(attempt.body)
    ? undefined
    : { code: 'body_not_replayable', text: 'its body is a stream that was cut, or is longer than 64 KiB' }
}
