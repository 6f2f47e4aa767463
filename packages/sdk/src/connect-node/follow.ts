import {
  constants,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2'
import type { EndpointLease } from '../call/acquire.js'
import type { Clock } from '../clock.js'
import { grpcPushbackMs, outcomeOfGrpcStatus, PUSHBACK_HEADER } from '../resilience/grpc-outcome.js'
import type { Outcome } from '../resilience/outcome.js'
import { parseRetryAfter } from '../resilience/retry-after.js'

/** What the endpoint itself has said. */
interface Answer {
  readonly outcome: Outcome
  readonly pushbackMs: number
}

/** Has the lease follow the stream of its request: first answer, outcome and end. */
export function follow(stream: ClientHttp2Stream, lease: EndpointLease, clock: Clock): void {
  let answered = false
  let answer: Answer | undefined
  let failed = false
  let closedHere: number | undefined
  // Only by this an abort, or a deadline, of the caller's is told from a reset of the server's. node:http2 closes the
  // streams of a connection that broke off by the same method, and connect-node those that have failed.
  const close = stream.close.bind(stream)
  stream.close = (code, callback) => {
    if (!stream.closed && !failed && isConnected(stream)) closedHere = code ?? constants.NGHTTP2_NO_ERROR
    close(code, callback)
  }
  stream.once('response', (headers) => {
    answered = true
    lease.firstAnswer()
    answer = answerOfGrpc(headers) ?? answerOfHttp(headers, clock)
  })
  stream.once('trailers', (trailers: IncomingHttpHeaders) => (answer = answerOfGrpc(trailers) ?? answer))
  const end = (): void => stream.close(constants.NGHTTP2_CANCEL)
  lease.signal.addEventListener('abort', end)
  stream.once('close', () => {
    lease.signal.removeEventListener('abort', end)
    const outcome = outcomeOf(stream, answer?.outcome, answered, closedHere)
    const pushbackMs = answer?.pushbackMs ?? 0
    if (outcome === 'overloaded' && pushbackMs > 0) lease.release(outcome, { pushbackMs })
    else lease.release(outcome)
  })
  // The one who made the request hears of it as well; a stream without a listener would end the process.
  stream.on('error', () => (failed = true))
}

function isConnected({ session }: ClientHttp2Stream): boolean {
  return session !== undefined && !session.destroyed && !session.socket.destroyed
}

function outcomeOf(
  stream: ClientHttp2Stream,
  outcome: Outcome | undefined,
  answered: boolean,
  closedHere: number | undefined,
): Outcome {
  const { rstCode } = stream
  // connect-node resets by CANCEL what was aborted, and by INTERNAL_ERROR what has run out of time.
  if (closedHere === constants.NGHTTP2_CANCEL) return 'ignored'
  if (closedHere !== undefined && closedHere !== constants.NGHTTP2_NO_ERROR) {
    return answered ? 'ignored' : 'local_failure'
  }
  if (rstCode !== constants.NGHTTP2_NO_ERROR) return 'local_failure'
  return outcome ?? 'local_failure'
}

function answerOfGrpc(headers: IncomingHttpHeaders): Answer | undefined {
  const status = headers['grpc-status']
  if (typeof status !== 'string') return undefined
  const code = Number(status)
  const pushbackMs = grpcPushbackMs(code, headers[PUSHBACK_HEADER])
  return { outcome: outcomeOfGrpcStatus(code, pushbackMs), pushbackMs }
}

/** Unary calls of Connect: https://connectrpc.com/docs/protocol/#error-codes, where `unimplemented` is 501. */
function answerOfHttp(headers: IncomingHttpHeaders & IncomingHttpStatusHeader, clock: Clock): Answer {
  const { ':status': status = 0, 'retry-after': after } = headers
  const pushbackMs =
    (status === 429 || status === 503) && after !== undefined
      ? parseRetryAfter(after, () => clock.unixTime())
      : 0
  if (status === 429 || pushbackMs > 0) return { outcome: 'overloaded', pushbackMs }
  if (status === 501) return { outcome: 'ignored', pushbackMs }
  return { outcome: status >= 500 ? 'remote_failure' : 'success', pushbackMs }
}
