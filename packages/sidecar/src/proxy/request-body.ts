import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough, type Readable } from 'node:stream'

/**
 * A body up to this length is read before the request is sent, so that it can be retried: 64 KiB, Linkerd's limit for
 * replays. A longer one, or one of unknown length, is streamed and sent once.
 */
const REPLAYABLE_BYTES = 64 * 1024

/**
 * Calls `send` with the body of a request that has one: complete, once it has been read, or as a stream, at once. Calls
 * `fail` if it is invalid.
 */
export function takeBody(
  request: IncomingMessage,
  response: ServerResponse,
  send: (body: Buffer | Readable) => void,
  fail: (error: Error) => void,
): void {
  if (Number(request.headers['content-length']) <= REPLAYABLE_BYTES) collect(request, send, fail)
  else send(streamed(request, response, fail))
}

export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined
}

/**
 * A body as a separate stream: undici destroys the one it is given when an instance answers early or fails, and
 * destroying the request would destroy the application's connection.
 */
function streamed(
  request: IncomingMessage,
  response: ServerResponse,
  fail: (error: Error) => void,
): Readable {
  const body = new PassThrough()
  request.pipe(body)
  request.on('error', (error) => {
    fail(error)
    body.destroy(error)
  })
  // undici has a listener only while it sends the body; without a listener an error would end the process.
  body.on('error', () => undefined)
  response.on('finish', () => body.destroy())
  body.on('close', () => {
    if (request.complete) return
    // Answered before the end of the body: the remainder is read and dropped, or the connection would stay blocked.
    request.unpipe(body)
    request.resume()
  })
  return body
}

/** Reads a complete body. */
function collect(request: IncomingMessage, done: (body: Buffer) => void, fail: (error: Error) => void): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () =>
    done(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
  )
  request.on('error', fail)
}
