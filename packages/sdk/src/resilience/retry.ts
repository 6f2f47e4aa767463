import type { Dispatcher } from 'undici'
import { isReplayable } from '../request/bodies.js'

/** What the question "may this be sent again?" depends on. */
export interface FailedAttempt {
  readonly method: string
  /** The caller's word on whether sending twice does no harm; overrides the method. */
  readonly idempotent: boolean | undefined
  readonly body: unknown
  /** May a byte of it have reached the endpoint? */
  readonly written: boolean
}

// RFC 9110, 9.2.2.
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** May this request reach the endpoint twice, and can it? */
export function mayBeRepeated({
  method,
  idempotent,
  body,
}: Pick<Dispatcher.DispatchOptions, 'method' | 'idempotent' | 'body'>): boolean {
  return (idempotent ?? IDEMPOTENT.has(method)) && isReplayable(body)
}

/** Why a failed request must not be sent again, as the end of a sentence; `undefined` when it may. */
export function whyNotRetry(attempt: FailedAttempt): string | undefined {
  // Provably not written: the endpoint has not seen it, whatever it is, and its body is untouched.
  if (!attempt.written) return undefined
  if (!(attempt.idempotent ?? IDEMPOTENT.has(attempt.method))) {
    return `${attempt.method} is not idempotent and may have reached the endpoint`
  }
  return isReplayable(attempt.body) ? undefined : 'its body is a stream and has been read'
}
