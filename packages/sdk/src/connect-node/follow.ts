import { constants, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import type { EndpointLease } from '../call/acquire.js'
import { outcomeOfGrpcStatus } from '../resilience/grpc-outcome.js'
import type { Outcome } from '../resilience/outcome.js'

/** Has the lease follow the stream of its request: first answer, outcome and end. */
export function follow(stream: ClientHttp2Stream, lease: EndpointLease): void {
  let answered = false
  let outcome: Outcome | undefined
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
    outcome = outcomeOfGrpc(headers) ?? outcomeOfHttp(headers[':status'])
  })
  stream.once('trailers', (trailers: IncomingHttpHeaders) => (outcome = outcomeOfGrpc(trailers) ?? outcome))
  const end = (): void => stream.close(constants.NGHTTP2_CANCEL)
  lease.signal.addEventListener('abort', end)
  stream.once('close', () => {
    lease.signal.removeEventListener('abort', end)
    lease.release(outcomeOf(stream, outcome, answered, closedHere))
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

function outcomeOfGrpc(headers: IncomingHttpHeaders): Outcome | undefined {
  const status = headers['grpc-status']
  return typeof status === 'string' ? outcomeOfGrpcStatus(Number(status)) : undefined
}

/** Unary calls of Connect: https://connectrpc.com/docs/protocol/#error-codes, where `unimplemented` is 501. */
function outcomeOfHttp(status = 0): Outcome {
  if (status === 429) return 'overloaded'
  if (status === 501) return 'ignored'
  return status >= 500 ? 'remote_failure' : 'success'
}
