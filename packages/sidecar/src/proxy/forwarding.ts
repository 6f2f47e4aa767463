import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Caller, CallOptions, Client, Deadline, Logger } from '@fairlead/sdk'
import { forwarderOf, type Abort, type Handler } from '@fairlead/sdk/internal'
import { ownError, type ErrorResponse } from '../inbound/error-response.js'
import { errorLog, respondError } from '../inbound/error-writer.js'
import type { Responder } from '../inbound/responder.js'
import { atEndOfTurn, type Due } from './end-of-turn.js'
import { errorResponse } from './failure-response.js'
import { forwardedRequestHeaders, forwardedResponseHeaders, forwardedTrailers } from './headers.js'
import { hopsOf } from './loop.js'
import { abortResponse, joinHead, pairs, reasonBytes } from './response-writing.js'
import type { Route } from './route.js'
import { sourceAddress } from './source-address.js'

/** Up to this length, copying a body costs less than a system call of its own. */
const JOINED_BYTES = 16 * 1024

/** Writes what undici reads directly to the response, without a stream between them. */
export class Forwarding implements Handler, Caller, Due, Responder {
  readonly #response: ServerResponse
  readonly #service: string
  readonly #deadline: Deadline | undefined
  readonly #logger: Logger
  #abort: Abort | undefined
  #resume: (() => void) | undefined
  /** The status of a head that is not written yet; 0: none has come, or it has been written. */
  #status = 0
  #reason = ''
  #headers: string[] | undefined
  #length = NaN
  #whole: Buffer | undefined
  /** `endOfTurn` will be called. */
  #due = false
  #complete = false
  /** The client has gone, or the response has been ended otherwise: nothing more is written. */
  #gone = false

  /** @param deadline By when the application wants its answer; undefined: it does not say. */
  constructor(response: ServerResponse, service: string, deadline: Deadline | undefined, logger: Logger) {
    this.#response = response
    this.#service = service
    this.#deadline = deadline
    this.#logger = logger
  }

  clientGone(): void {
    this.#gone = true
    this.#abort?.()
  }

  send(request: IncomingMessage, route: Route, client: Client, body: Buffer | Readable | null): void {
    const { method = 'GET', headers, rawHeaders } = request
    const options: CallOptions = {
      method,
      path: route.path,
      headers: forwardedRequestHeaders(
        rawHeaders,
        headers.connection,
        route.host,
        hopsOf(headers) + 1,
        // The client says in them what is left.
        this.#deadline?.receivedBy,
      ),
      body,
      caller: this,
    }
    forwarderOf(client).forward(options, this, this.#deadline)
  }

  /** Computed only for a balancer that reads it. */
  get address(): string | undefined {
    return sourceAddress(this.#response.req)
  }

  onConnect(abort: Abort): void {
    this.#abort = abort
    if (this.#gone) abort()
  }

  onHeaders(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean {
    // Interim responses are not forwarded: node:http cannot write arbitrary ones.
    if (statusCode < 200) return true
    this.#resume = resume
    const forwarded = forwardedResponseHeaders(headers, statusCode)
    this.#length = forwarded.length
    this.#status = statusCode
    this.#reason = statusMessage
    this.#headers = forwarded.headers
    // A body that came with the head is read within this turn and written with it. Otherwise the head is written alone: an
    // application may wait for it, and should see it even when the body never comes.
    this.#atEndOfTurn()
    return true
  }

  onData(chunk: Buffer): boolean {
    if (chunk.length === this.#length && chunk.length <= JOINED_BYTES) {
      // The complete body: its end follows within this turn, and both are written with the head.
      this.#whole = chunk
      return true
    }
    this.#writeHead()
    if (this.#gone || this.#response.write(chunk)) return true
    this.#response.once('drain', () => this.#resume?.())
    return false
  }

  onComplete(trailers: Buffer[]): void {
    this.#complete = true
    this.#writeHead()
    if (this.#gone) return
    if (trailers.length > 0) this.#response.addTrailers(pairs(forwardedTrailers(trailers)))
    if (this.#whole !== undefined) joinHead(this.#response, this.#whole)
    this.#atEndOfTurn()
  }

  endOfTurn(): void {
    this.#due = false
    if (this.#gone) return
    if (this.#complete) {
      this.#response.end()
    } else if (this.#status !== 0) {
      this.#writeHead()
      this.#response.flushHeaders()
    }
  }

  /** The request is invalid: it is answered, and no longer forwarded. */
  fail(error: Error): void {
    // Answered before the end of its body, as by NO_ENDPOINTS: that response stands.
    if (this.#gone || this.#complete || this.#response.writableEnded) return
    this.onError(error)
    this.clientGone()
  }

  onError(error: Error): void {
    if (this.#gone) return
    const received = this.#status !== 0
    this.#status = 0
    if (this.#response.headersSent) {
      // Too late for a status: only a closed connection can still tell that the body is incomplete.
      this.#logger.warn({ service: this.#service, reason: error.message }, abortMessage(error))
      abortResponse(this.#response)
      return
    }
    const answer = received ? incomplete(error, this.#service) : errorResponse(error, this.#service)
    respondError(this.#response, answer, errorLog(this.#logger))
  }

  #atEndOfTurn(): void {
    if (this.#due) return
    this.#due = true
    atEndOfTurn(this)
  }

  #writeHead(): void {
    if (this.#status === 0) return
    try {
      this.#response.writeHead(this.#status, reasonBytes(this.#reason, this.#status), this.#headers)
      this.#status = 0
    } catch (error) {
      // node:http validates more strictly than undici. Nothing has been written.
      this.onError(error as Error)
      this.clientGone()
    }
  }
}

/** Names the flag for undici's body timeout, which it sets. */
function abortMessage(error: Error): string {
  return (error as { code?: unknown }).code === 'UND_ERR_BODY_TIMEOUT'
    ? 'response aborted, as the instance sent nothing for longer than --body-timeout; closing the connection of the application'
    : 'response aborted by the instance; closing the connection of the application'
}

/** The instance has sent a head, and failed before any of it was forwarded. */
function incomplete(error: Error, service: string): ErrorResponse {
  const message = `the response of ${service} was aborted after its head: ${error.message}`
  return ownError('ATTEMPTS_EXHAUSTED', message, service)
}
