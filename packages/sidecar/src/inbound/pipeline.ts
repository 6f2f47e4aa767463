import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorResponse } from './error-response.js'
import { respondError } from './error-writer.js'
import type { OnRejection, Responder, Serve } from './responder.js'

/** One request of a connection, and its response. `rejection`: what it is answered with instead of being served. */
export interface PipelinedRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  rejection: ErrorResponse | undefined
}

export interface PipelineOptions {
  readonly socket: Socket
  readonly serve: Serve
  readonly onRejection: OnRejection
  /** The response to a request has ended. */
  readonly onEnd: () => void
}

// RFC 9110, 9.2.1. WebDAV's safe methods simply wait.
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/**
 * Requests of one connection that run at once. nginx and Envoy run one; clients that pipeline send 4 to 8 (Firefox,
 * when it did), and the responses to all but the first are kept in memory until those before them are written.
 */
const RUN_AT_ONCE = 8

/** The requests of one connection that are running or waiting: in parallel while all are safe (RFC 9112, 9.3.2). */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly #waiting: PipelinedRequest[] = []
  #running = 0
  /** Responders whose responses do not have the connection yet, and would not hear that it closed. */
  readonly #queued: Responder[] = []
  /** The one that runs must be the only one. */
  #exclusive = false

  constructor(options: PipelineOptions) {
    this.#options = options
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Runs it, or lets it wait for those before it. Returns whether it runs. */
  add(added: PipelinedRequest): boolean {
    if (this.#waiting.length === 0 && this.#mayRun(added.request)) {
      this.#run(added)
      return true
    }
    this.#waiting.push(added)
    return false
  }

  /** The request while it waits; undefined: it runs, or has ended. */
  find(request: IncomingMessage): PipelinedRequest | undefined {
    return this.#waiting.find((waiting) => waiting.request === request)
  }

  /** Runs those that need not wait any more. */
  advance(): void {
    // Closed or about to be: the client has to assume that they were not run.
    if (!this.#options.socket.writable) this.#waiting.length = 0
    for (
      let next = this.#waiting[0];
      next !== undefined && this.#mayRun(next.request);
      next = this.#waiting[0]
    ) {
      this.#waiting.shift()
      this.#run(next)
    }
  }

  /** The connection has closed: notifies the responders that would not hear of it. */
  clientGone(): void {
    for (const responder of this.#queued.splice(0)) responder.clientGone()
  }

  #mayRun(request: IncomingMessage): boolean {
    return this.#running === 0 || (!this.#exclusive && this.#running < RUN_AT_ONCE && mayShare(request))
  }

  #run({ request, response, rejection }: PipelinedRequest): void {
    const { serve, onRejection, onEnd } = this.#options
    this.#running++
    if (!mayShare(request)) this.#exclusive = true
    let responder: Responder | undefined
    if (rejection === undefined) responder = serve(request, response)
    else respondError(response, rejection, onRejection)
    response.on('close', () => {
      if (!response.writableFinished) responder?.clientGone()
      this.#running--
      if (this.#running === 0) this.#exclusive = false
      onEnd()
    })
    if (responder === undefined || response.socket !== null) return
    this.#queued.push(responder)
    // In the order of their requests.
    response.once('socket', () => this.#queued.shift())
  }
}

/**
 * May other requests run beside it? Not where it awaits 100 Continue: a queued response has no connection to write it to,
 * and node:http puts the head of the response before what it has buffered (`_send` of lib/_http_outgoing.js), so that the
 * 100 would be read as its body. Without it the response says `Connection: close`, and nothing after it may run.
 */
function mayShare({ method = '', headers }: IncomingMessage): boolean {
  return SAFE.has(method) && headers.expect === undefined
}
