import type { Dispatcher } from 'undici'
import { isReplayable } from '../request/bodies.js'

/** What the question "does it harm to send this twice?" depends on. */
export interface Repeatable {
  readonly method: string
  /** The caller's word on whether sending twice does no harm; overrides the method. */
  readonly idempotent?: boolean | undefined
}

/** What the question "may this be sent again?" depends on. */
export interface FailedAttempt extends Repeatable {
  readonly body: unknown
  /** May a byte of it have reached the endpoint? */
  readonly written: boolean
}

// RFC 9110, 9.2.2.
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** May it reach the endpoint twice? */
export function isIdempotent({ method, idempotent }: Repeatable): boolean {
  return idempotent ?? IDEMPOTENT.has(method)
}

/** May this request reach the endpoint twice, and can it? */
export function mayBeRepeated(
  options: Pick<Dispatcher.DispatchOptions, 'method' | 'idempotent' | 'body'>,
): boolean {
  return isIdempotent(options) && isReplayable(options.body)
}

/** Why a failed request must not be sent again, as the end of a sentence; `undefined` when it may. */
export function whyNotRetry(attempt: FailedAttempt): string | undefined {
  // Provably not written: the endpoint has not seen it, whatever it is, and its body is untouched.
  if (!attempt.written) return undefined
  if (!isIdempotent(attempt)) {
    return `${attempt.method} is not idempotent and may have reached the endpoint`
  }
  return isReplayable(attempt.body)
    ? undefined
    : 'its body is a stream that was cut, or is longer than 64 KiB'
}
