import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough, type Readable } from 'node:stream'

/**
 * A body up to this length is read before the request is sent, so that it can be sent again: 64 KiB, Linkerd's
 * limit for replays. A longer one, or one of unknown length, streams through and is sent once.
 */
const REPLAYABLE_BYTES = 64 * 1024

/**
 * Calls `send` with the body of a request that has one: whole, or as it comes. At once, or when a whole one has been
 * read; if it turns out to be none, `fail`.
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
 * A body as a stream of its own: undici destroys the one it is given when an instance answers early or breaks
 * off, and with a request that would take the application's connection along.
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
  // While undici holds it, undici listens; before and after that nobody does, and an error unheard ends the process.
  body.on('error', () => undefined)
  response.on('finish', () => body.destroy())
  body.on('close', () => {
    if (request.complete) return
    // Answered before the end of the body: the rest is read and dropped, or the connection would stay blocked.
    request.unpipe(body)
    request.resume()
  })
  return body
}

/** Reads a whole body. */
function collect(request: IncomingMessage, done: (body: Buffer) => void, fail: (error: Error) => void): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () =>
    done(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
  )
  request.on('error', fail)
}
