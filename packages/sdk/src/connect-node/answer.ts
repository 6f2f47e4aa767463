import type { IncomingHttpHeaders, IncomingHttpStatusHeader, OutgoingHttpHeaders } from 'node:http2'
import type { Clock } from '../clock.js'
import {
  DEADLINE_EXCEEDED,
  grpcPushbackMs,
  outcomeOfGrpcStatus,
  PUSHBACK_HEADER,
  TIMEOUT_HEADER,
} from '../resilience/grpc-outcome.js'
import type { Outcome } from '../resilience/outcome.js'
import { parseRetryAfter } from '../resilience/retry-after.js'

/** What an endpoint has said of a request. */
export interface Answer {
  readonly outcome: Outcome
  readonly pushbackMs: number
  /** That its time is over. */
  readonly isLate: boolean
}

/** Undefined: it does not say how it went. */
export function answerOfGrpc(headers: IncomingHttpHeaders): Answer | undefined {
  const status = headers['grpc-status']
  if (typeof status !== 'string') return undefined
  const code = Number(status)
  const pushbackMs = grpcPushbackMs(code, headers[PUSHBACK_HEADER])
  return { outcome: outcomeOfGrpcStatus(code, pushbackMs), pushbackMs, isLate: code === DEADLINE_EXCEEDED }
}

/**
 * Unary calls of Connect: https://connectrpc.com/docs/protocol/#error-codes, where `unimplemented` is 501 and
 * `deadline_exceeded` 504.
 */
export function answerOfHttp(
  { ':status': status = 0, 'retry-after': after }: IncomingHttpHeaders & IncomingHttpStatusHeader,
  clock: Clock,
): Answer {
  const pushbackMs =
    (status === 429 || status === 503) && after !== undefined
      ? parseRetryAfter(after, () => clock.unixTime())
      : 0
  return { outcome: outcomeOfHttp(status, pushbackMs), pushbackMs, isLate: status === 504 }
}

function outcomeOfHttp(status: number, pushbackMs: number): Outcome {
  if (status === 429 || pushbackMs > 0) return 'overloaded'
  if (status === 501) return 'ignored'
  return status >= 500 ? 'remote_failure' : 'success'
}

/** Has the endpoint been told how long its caller waits? */
export function hasTimeout(headers: OutgoingHttpHeaders): boolean {
  return headers[TIMEOUT_HEADER] !== undefined || headers['connect-timeout-ms'] !== undefined
}
