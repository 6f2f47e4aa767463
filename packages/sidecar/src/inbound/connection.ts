import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '@fairlead/sdk'
import type { ErrorResponse } from './error-response.js'
import { BrokenRequest } from './broken-request.js'
import { closeGently } from './gentle-close.js'
import { lastByHead } from './head.js'
import { announceIdle } from './idle.js'
import { errorText, respondError } from './own-answer.js'

/** What responds to a request, for as long as it takes. */
export interface Responder {
  /** The connection has closed before the response was complete: what was asked for is of no use to anyone. Idempotent. */
  clientGone(): void
}

/** Serves a request that may be served. What it returns hears of the client's end; undefined: it need not. */
export type Serve = (request: IncomingMessage, response: ServerResponse) => Responder | undefined

/** Hears of whatever is rejected before it is served. */
export type OnRejection = (rejection: ErrorResponse, peer: Socket) => void

/** A request that waits for those before it. */
interface Turn {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  rejection: ErrorResponse | undefined
}

// RFC 9110, 9.2.1. Those of WebDAV that are safe too just wait.
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** A limit that has passed for what could not be read in time, as it was we who did not read. */
interface Overdue {
  readonly answer: ErrorResponse
  readonly limitMs: number
}

/**
 * Requests of one connection that run at once. nginx and Envoy run one; clients that pipeline send 4 to 8 (Firefox,
 * when it did), and whatever is behind the first has its response kept in memory until those before it are written.
 */
const RUN_AT_ONCE = 8

/**
 * The order of things on one connection of an application.
 *
 * - Requests that are pipelined run at once only while all of them are safe (RFC 9112, 9.3.2); nothing is read while one
 *   waits, so that what waits is what came in one read.
 * - Behind the last request, the one that says `Connection: close` or whose end is not certain, nothing is run.
 * - What is broken is answered behind the responses to what was not.
 * - A client that has said all it has to say (FIN) is answered: half-closed is not gone.
 * - The end does not take the last response along: see `closeGently`.
 */
export class InboundConnection {
  readonly #socket: Socket
  readonly #serve: Serve
  readonly #onRejection: OnRejection
  readonly #clock: Clock
  readonly #waiting: Turn[] = []
  #running = 0
  /** Those whose responses wait to be given the connection, and would not hear that it closed. */
  readonly #queued: Responder[] = []
  /** One that runs has to be the only one. */
  #exclusive = false
  /** Received last, of those that are taken. */
  #latest: IncomingMessage | undefined
  #latestResponse: ServerResponse | undefined
  /** Nothing that follows is a request of ours. */
  #last = false
  /** What is written when everything before it has been; then the connection ends. */
  #epilogue: string | Buffer | undefined
  #held = false
  #overdue: Overdue | undefined
  #closing = false

  constructor(socket: Socket, serve: Serve, onRejection: OnRejection, clock: Clock) {
    this.#socket = socket
    this.#serve = serve
    this.#onRejection = onRejection
    this.#clock = clock
    // node:http ends a connection by this. It would close it with bytes unread, which is a reset.
    socket.destroySoon = () => this.#close()
    // node:http resumes it as it sees fit, such as when a body is read. Behind its own listener: it is that late.
    socket.on('resume', () => {
      if (this.#held) socket.pause()
      else if (this.#overdue !== undefined) this.#giveTime(this.#overdue)
    })
    socket.on('close', () => {
      for (const responder of this.#queued.splice(0)) responder.clientGone()
    })
    // Behind node:http's own listener, which has marked the last response: the connection ends with it.
    socket.on('end', () => this.#halfClosed())
  }

  /** Has anything come on it that could be read as a request? */
  get unused(): boolean {
    return this.#latest === undefined
  }

  /** Has all been answered that has come, if anything has? */
  get idle(): boolean {
    return this.#latest !== undefined && this.#running + this.#waiting.length === 0
  }

  /** Is an answer owed, and nothing read until it is given? */
  get unread(): boolean {
    if (this.#closing || this.#running + this.#waiting.length === 0) return false
    return this.#socket.readableEnded || this.#socket.isPaused()
  }

  /** Runs a request when it is its turn. A `rejection` is given where another than its head has one. */
  take(request: IncomingMessage, response: ServerResponse, rejection?: ErrorResponse): void {
    // A drain may have had the latest say so in the meantime.
    if (this.#last || this.#latestResponse?.shouldKeepAlive === false) {
      // RFC 9112, 9.6. The last one has come to its end, or this one would not have begun.
      this.#last = true
      this.#hold()
      // Never to be written. Whoever counts what is in flight hears it from nobody else.
      response.emit('close')
      return
    }
    this.#latest = request
    this.#latestResponse = response
    announceIdle(response)
    const last = lastByHead(request)
    if (last !== undefined) {
      response.shouldKeepAlive = false
      rejection = last.rejection ?? rejection
    }
    if (!response.shouldKeepAlive) this.#last = true
    if (this.#waiting.length === 0 && this.#mayRun(request)) {
      this.#run(request, response, rejection)
      return
    }
    this.#waiting.push({ request, response, rejection })
    this.#hold()
  }

  /** What came is no request, or the rest of one did not come: answered in its turn, and the end. */
  broken(answer: ErrorResponse, epilogue: string | Buffer = errorText(answer)): void {
    // Read while what was said last is on its way: nobody's, and no reason to reset what carries it.
    if (this.#closing) return
    const latest = this.#latest
    const within = latest !== undefined && !latest.complete
    // As in `take`.
    const last = this.#last || this.#latestResponse?.shouldKeepAlive === false
    if (this.#epilogue !== undefined || (last && !within)) {
      this.#hold()
      return
    }
    this.#last = true
    this.#epilogue = within ? '' : epilogue
    if (within) {
      // Where its head is not written yet.
      if (this.#latestResponse !== undefined) this.#latestResponse.shouldKeepAlive = false
      this.#breakOff(latest, answer)
    } else {
      this.#onRejection(answer, this.#socket)
    }
    if (this.#running === 0) this.#next()
  }

  /**
   * A head, or a body, has not come within `limitMs`: `broken`. Where nothing is read, because another request has its
   * turn or its response is not read, what is missing may have come long ago; it has the whole time from when we read on,
   * as node:http looks once only.
   */
  timedOut(answer: ErrorResponse, limitMs: number): void {
    if (this.#socket.isPaused()) this.#overdue = { answer, limitMs }
    else this.broken(answer)
  }

  #giveTime({ answer, limitMs }: Overdue): void {
    this.#overdue = undefined
    const latest = this.#latest
    const body = latest?.complete === false ? latest : undefined
    const timer = this.#clock.setTimer(() => {
      if (this.#latest === latest && body?.complete !== true) this.timedOut(answer, limitMs)
    }, limitMs)
    this.#socket.once('close', () => this.#clock.clearTimer(timer))
  }

  /** From here on it is no connection of node:http any more, which has left it with the responses unfinished. */
  detached(answer: ErrorResponse): void {
    const socket = this.#socket
    socket.on('error', () => undefined)
    // Taken off as well, and what waits for it would wait for ever.
    socket.on('drain', () => {
      const { _httpMessage: response } = socket as Socket & { _httpMessage?: ServerResponse | null }
      if (response?.writableNeedDrain === true) response.emit('drain')
    })
    this.broken(answer)
  }

  #breakOff(request: IncomingMessage, answer: ErrorResponse): void {
    const turn = this.#waiting.find((waiting) => waiting.request === request)
    // Where its head has been rejected, that is why: it is what would have been answered by now, had it been its turn.
    if (turn !== undefined) turn.rejection ??= answer
    // Whoever reads the body answers; where nobody does, the answer has been given.
    else if (request.listenerCount('error') > 0) request.emit('error', new BrokenRequest(answer))
  }

  #mayRun(request: IncomingMessage): boolean {
    return this.#running === 0 || (!this.#exclusive && this.#running < RUN_AT_ONCE && mayShare(request))
  }

  #run(request: IncomingMessage, response: ServerResponse, rejection: ErrorResponse | undefined): void {
    this.#running++
    if (!mayShare(request)) this.#exclusive = true
    let responder: Responder | undefined
    if (rejection === undefined) responder = this.#serve(request, response)
    else respondError(response, rejection, this.#onRejection)
    response.on('close', () => {
      if (!response.writableFinished) responder?.clientGone()
      this.#answered()
    })
    if (responder === undefined || response.socket !== null) return
    this.#queued.push(responder)
    // In the order of their requests.
    response.once('socket', () => this.#queued.shift())
  }

  #answered(): void {
    this.#running--
    if (this.#running === 0) this.#exclusive = false
    if (this.#waiting.length > 0 || this.#epilogue !== undefined) this.#next()
  }

  #next(): void {
    // Said to be closed, or gone: whoever sent them knows that they were not run.
    if (!this.#socket.writable) this.#waiting.length = 0
    for (
      let turn = this.#waiting[0];
      turn !== undefined && this.#mayRun(turn.request);
      turn = this.#waiting[0]
    ) {
      this.#waiting.shift()
      this.#run(turn.request, turn.response, turn.rejection)
    }
    if (this.#waiting.length > 0) return
    // The last one may have its body still to come.
    if (!this.#last || this.#latest?.complete === false) this.#release()
    if (this.#running > 0 || this.#epilogue === undefined) return
    this.#close()
  }

  #halfClosed(): void {
    if (this.#closing || this.#running + this.#waiting.length === 0) return
    if (this.#latestResponse !== undefined) this.#latestResponse.shouldKeepAlive = false
  }

  #hold(): void {
    this.#held = !this.#closing
    if (this.#held) this.#socket.pause()
  }

  #release(): void {
    if (!this.#held) return
    this.#held = false
    this.#socket.resume()
  }

  #close(): void {
    if (this.#closing) return
    this.#closing = true
    this.#held = false
    // By node:http as well, behind the last response of an application that is half-closed.
    if (this.#socket.writable && this.#epilogue !== undefined && this.#epilogue !== '')
      this.#socket.write(this.#epilogue)
    closeGently(this.#socket, this.#clock)
  }
}

/**
 * May others run beside it? Not where 100 Continue is awaited: a response in the queue has no connection to write it to,
 * and node:http puts the head of the response before what it has kept (`_send` of lib/_http_outgoing.js), so that the
 * 100 would be read as its body. Without it the response says `Connection: close`, and nothing behind it may run.
 */
function mayShare({ method = '', headers }: IncomingMessage): boolean {
  return SAFE.has(method) && headers.expect === undefined
}
