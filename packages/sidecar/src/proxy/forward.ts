import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { PassThrough, type Readable } from 'node:stream'
import { toDispatchHandler, type Abort, type Client, type Handler, type Logger } from '@fairlead/sdk'
import { errorResponse, type ErrorResponse } from './error-response.js'
import { forwardedRequestHeaders, forwardedResponseHeaders } from './headers.js'
import type { Route } from './route.js'

/**
 * A body up to this length is read before the request is sent, so that it can be sent again: 64 KiB, Linkerd's
 * limit for replays. A longer one, or one of unknown length, streams through and is sent once.
 */
const REPLAYABLE_BYTES = 64 * 1024

/** Up to here copying a body costs less than a system call of its own. */
const JOINED_BYTES = 16 * 1024

/** Sends one request on, and its response back. */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  client: Client,
  logger: Logger,
): void {
  const forwarding = new Forwarding(request, response, route.service, logger)
  if (!hasBody(request)) {
    forwarding.send(request, route, client, null)
  } else if (Number(request.headers['content-length']) <= REPLAYABLE_BYTES) {
    collect(request, (body) => forwarding.send(request, route, client, body))
  } else {
    forwarding.send(request, route, client, streamed(request, response))
  }
}

/** Answers for the proxy itself. */
export function respondError(response: ServerResponse, error: ErrorResponse): void {
  const { status, code, message, service } = error
  const body = Buffer.from(`${JSON.stringify({ error: code, service, message })}\n`)
  response.writeHead(
    status,
    // Spelled out, since a head that could not be written has left its own behind.
    STATUS_CODES[status] ?? '',
    [
      ['content-type', 'application/json'],
      ['content-length', String(body.length)],
      ['x-fairlead-error', code],
    ].flat(),
  )
  response.end(body)
}

/** Writes what undici reads straight to the response: no stream stands in between. */
class Forwarding implements Handler {
  readonly #response: ServerResponse
  readonly #service: string
  readonly #logger: Logger
  #abort: Abort | undefined
  #resume: (() => void) | undefined
  #length = NaN
  #whole: Buffer | undefined
  #begun = false
  #gone = false

  constructor(request: IncomingMessage, response: ServerResponse, service: string, logger: Logger) {
    this.#response = response
    this.#service = service
    this.#logger = logger
    const closed = (): void => {
      if (response.writableFinished) return
      // The application has gone away: what it asked for is of no use to anyone.
      this.#gone = true
      this.#abort?.()
    }
    response.on('close', closed)
    if (response.socket === null) {
      // Pipelined: a response in the queue has no connection yet, and would not hear that it closed.
      const { socket } = request
      // As many as there are requests in the queue.
      socket.setMaxListeners(0)
      socket.on('close', closed)
      response.on('close', () => socket.off('close', closed))
    }
  }

  send(request: IncomingMessage, route: Route, client: Client, body: Buffer | Readable | null): void {
    const { method = 'GET', headers, rawHeaders } = request
    client.dispatcher.dispatch(
      {
        method,
        path: route.path,
        headers: forwardedRequestHeaders(rawHeaders, headers.connection, route.host),
        body,
      },
      toDispatchHandler(this),
    )
  }

  onConnect(abort: Abort): void {
    this.#abort = abort
    if (this.#gone) abort()
  }

  onHeaders(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean {
    // Interim responses stay on their hop: node:http has no way to pass on just any of them.
    if (statusCode < 200) return true
    this.#resume = resume
    const forwarded = forwardedResponseHeaders(headers)
    this.#length = forwarded.length
    this.#response.writeHead(statusCode, asBytes(statusMessage), forwarded.headers)
    // A body that came along is read within this turn and is written with the head; if not, the head goes alone.
    process.nextTick(flushHead, this)
    return true
  }

  flushHead(): void {
    if (!this.#begun && !this.#gone) this.#response.flushHeaders()
  }

  onData(chunk: Buffer): boolean {
    this.#begun = true
    if (chunk.length === this.#length && chunk.length <= JOINED_BYTES) {
      // The whole body at once: its end follows in this very turn, and both are written with the head.
      this.#whole = chunk
      return true
    }
    if (this.#response.write(chunk)) return true
    this.#response.once('drain', () => this.#resume?.())
    return false
  }

  onComplete(trailers: Buffer[]): void {
    this.#begun = true
    if (trailers.length > 0) this.#response.addTrailers(pairs(forwardedResponseHeaders(trailers).headers))
    if (this.#whole === undefined) this.#response.end()
    // As a string of the same bytes: node:http joins that with the head into one write (a quarter more requests).
    else this.#response.end(this.#whole.toString('latin1'), 'latin1')
  }

  onError(error: Error): void {
    if (this.#gone) return
    if (this.#response.headersSent) {
      if (this.#response.statusCode === 304 && isLengthMismatch(error)) {
        // RFC 9110, 8.6: its length is that of a body it does not have. undici 7 waits for that body.
        this.onComplete([])
        return
      }
      // Too late for a status: a cut connection is the one way left to say that the body is not whole.
      this.#logger.warn({ service: this.#service, reason: error.message }, 'response broken off')
      this.#response.destroy()
      return
    }
    const answer = errorResponse(error, this.#service)
    this.#logger.warn({ service: this.#service, status: answer.status, code: answer.code }, answer.message)
    respondError(this.#response, answer)
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined
}

/**
 * A body as a stream of its own: undici destroys the one it is given when an instance answers early or breaks
 * off, and with a request that would take the application's connection along.
 */
function streamed(request: IncomingMessage, response: ServerResponse): Readable {
  const body = new PassThrough()
  request.pipe(body)
  request.on('error', (error) => body.destroy(error))
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

/** Reads a whole body; a request broken off before its end calls nothing, as nobody waits for an answer. */
function collect(request: IncomingMessage, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () =>
    done(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
  )
  request.on('error', () => undefined)
}

function flushHead(forwarding: Forwarding): void {
  forwarding.flushHead()
}

/** undici decodes the reason phrase as UTF-8; node:http writes a byte a character, and refuses others. */
function asBytes(reason: string): string {
  return /^[ -~]*$/.test(reason) ? reason : Buffer.from(reason).toString('latin1')
}

function isLengthMismatch(error: Error): boolean {
  return (error as { code?: unknown }).code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
}

function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = []
  for (let index = 0; index + 1 < flat.length; index += 2)
    list.push([flat[index] ?? '', flat[index + 1] ?? ''])
  return list
}
