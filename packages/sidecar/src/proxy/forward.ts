import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Caller, CallOptions, Client, Logger } from '@fairlead/sdk'
import { forwarderOf, type Abort, type Handler } from '@fairlead/sdk/internal'
import type { Clients } from '../clients.js'
import type { Responder } from '../inbound/connection.js'
import { ownError, type ErrorResponse } from '../inbound/error-response.js'
import { answerLog, respondError } from '../inbound/own-answer.js'
import { errorResponse } from './failure-response.js'
import { forwardedRequestHeaders, forwardedResponseHeaders, forwardedTrailers } from './headers.js'
import { atEndOfTurn, type Due } from './end-of-turn.js'
import { hopsOf } from './loop.js'
import { hasBody, takeBody } from './request-body.js'
import type { Route } from './route.js'
import { sourceAddress } from './source-address.js'

/** Up to here copying a body costs less than a system call of its own. */
const JOINED_BYTES = 16 * 1024

/**
 * Sends one request on, and its response back.
 *
 * @throws FairleadError as of `Clients.get`, before anything is read or written.
 */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  clients: Clients,
  logger: Logger,
): Responder {
  const client = clients.get(route.service)
  const forwarding = new Forwarding(response, route.service, logger)
  // RFC 9110, 10.1.1: HTTP/1.0 does not know it. Those who expect something else do not come so far.
  if (request.headers.expect !== undefined && request.httpVersionMinor > 0) response.writeContinue()
  if (!hasBody(request)) forwarding.send(request, route, client, null)
  else sendWithBody(forwarding, request, response, route, clients)
  return forwarding
}

/** At once, or when the body has been read. */
function sendWithBody(
  forwarding: Forwarding,
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  clients: Clients,
): void {
  takeBody(
    request,
    response,
    (body) => {
      let client: Client
      try {
        // An idle one may have made room for another service while the body was read, and is closed then.
        client = clients.get(route.service)
      } catch (error) {
        forwarding.fail(error as Error)
        return
      }
      forwarding.send(request, route, client, body)
    },
    (error) => forwarding.fail(error),
  )
}

/** Writes what undici reads straight to the response: no stream stands in between. */
class Forwarding implements Handler, Caller, Due, Responder {
  readonly #response: ServerResponse
  readonly #service: string
  readonly #logger: Logger
  #abort: Abort | undefined
  #resume: (() => void) | undefined
  /** The head of the response until it is written; 0: there is none, or it has been. */
  #status = 0
  #reason = ''
  #headers: string[] | undefined
  #length = NaN
  #whole: Buffer | undefined
  /** Will `endOfTurn` be called? */
  #due = false
  #complete = false
  /** Nobody is to hear more of it. */
  #gone = false

  constructor(response: ServerResponse, service: string, logger: Logger) {
    this.#response = response
    this.#service = service
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
      headers: forwardedRequestHeaders(rawHeaders, headers.connection, route.host, hopsOf(headers) + 1),
      body,
      caller: this,
    }
    forwarderOf(client).forward(options, this)
  }

  /** Worked out only for a balancer that asks. */
  get address(): string | undefined {
    return sourceAddress(this.#response.req)
  }

  onConnect(abort: Abort): void {
    this.#abort = abort
    if (this.#gone) abort()
  }

  onHeaders(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean {
    // Interim responses stay on their hop: node:http has no way to pass on just any of them.
    if (statusCode < 200) return true
    this.#resume = resume
    const forwarded = forwardedResponseHeaders(headers, statusCode)
    this.#length = forwarded.length
    this.#status = statusCode
    this.#reason = statusMessage
    this.#headers = forwarded.headers
    // A body that came along is read within this turn and is written with the head. If not, the head goes alone: an
    // application may wait for it, and one whose body never comes has to be told of that by more than a closed door.
    this.#atEndOfTurn()
    return true
  }

  onData(chunk: Buffer): boolean {
    if (chunk.length === this.#length && chunk.length <= JOINED_BYTES) {
      // The whole body at once: its end follows in this very turn, and both are written with the head.
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

  /** What was to be sent is no request: it is answered, and nothing of it is sent on any more. */
  fail(error: Error): void {
    // Answered before its end, as by NO_ENDPOINTS: that answer stands, whatever the rest turns out to be.
    if (this.#gone || this.#complete || this.#response.writableEnded) return
    this.onError(error)
    this.clientGone()
  }

  onError(error: Error): void {
    if (this.#gone) return
    const received = this.#status !== 0
    this.#status = 0
    if (this.#response.headersSent) {
      // Too late for a status: a cut connection is the one way left to say that the body is not whole.
      this.#logger.warn({ service: this.#service, reason: error.message }, whyBrokenOff(error))
      cut(this.#response)
      return
    }
    const answer = received ? brokenOff(error, this.#service) : errorResponse(error, this.#service)
    respondError(this.#response, answer, answerLog(this.#logger))
  }

  #atEndOfTurn(): void {
    if (this.#due) return
    this.#due = true
    atEndOfTurn(this)
  }

  #writeHead(): void {
    if (this.#status === 0) return
    try {
      this.#response.writeHead(this.#status, asBytes(this.#reason, this.#status), this.#headers)
      this.#status = 0
    } catch (error) {
      // node:http is stricter than what undici reads by. It has written nothing.
      this.onError(error as Error)
      this.clientGone()
    }
  }
}

/** What node:http keeps the head in until it is sent. */
interface Headed {
  _header: string | null
  _headerSent: boolean
}

/**
 * Writes head and body in one go. A body given to `end` goes out with the head and an empty string by `writev`,
 * which costs this proxy a tenth of its requests a second; a head that ends in the body is a single string. Both
 * are bytes a character, and the length is the one that the head has announced.
 */
function joinHead(response: ServerResponse, body: Buffer): void {
  const headed = response as unknown as Headed
  if (typeof headed._header === 'string' && !headed._headerSent) headed._header += body.toString('latin1')
  else response.write(body)
}

/** Closes the connection so that a body which is not whole cannot pass for one that is. */
function cut(response: ServerResponse): void {
  // In HTTP/1.0 a body may end with its connection (RFC 9112, 6.3): there only a reset is no clean end.
  if (response.req.httpVersionMinor === 0 && response.socket !== null) response.socket.resetAndDestroy()
  // In the queue of a pipeline nothing of it is written yet. The connection ends in its place, and no reset takes the
  // responses before it along.
  else response.destroy()
}

/** undici decodes the reason phrase as UTF-8; node:http writes a byte a character, and refuses others. */
function asBytes(reason: string, status: number): string {
  if (/^[ -~]*$/.test(reason)) return reason
  const bytes = Buffer.from(reason).toString('latin1')
  // llhttp takes control characters for a phrase, which says nothing that the status does not (RFC 9112, 4).
  return /^[\t -~\x80-\xff]*$/.test(bytes) ? bytes : (STATUS_CODES[status] ?? '')
}

/** undici's limit for bodies is the one that an operator has set, by a name of ours. */
function whyBrokenOff(error: Error): string {
  return (error as { code?: unknown }).code === 'UND_ERR_BODY_TIMEOUT'
    ? 'response broken off: the instance was silent for longer than --body-timeout'
    : 'response broken off'
}

/** The instance has sent a head, and broke off before anything of it was passed on. */
function brokenOff(error: Error, service: string): ErrorResponse {
  const message = `the response of ${service} broke off after its head: ${error.message}`
  return ownError('ATTEMPTS_EXHAUSTED', message, service)
}

function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = []
  for (let index = 0; index + 1 < flat.length; index += 2)
    list.push([flat[index] ?? '', flat[index + 1] ?? ''])
  return list
}
