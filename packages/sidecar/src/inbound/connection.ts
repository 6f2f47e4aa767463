import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '@fairlead/sdk'
import type { ErrorResponse } from './error-response.js'
import { BrokenRequest } from './broken-request.js'
import { closeGently } from './gentle-close.js'
import { lastByHead } from './head.js'
import { announceIdle } from './idle.js'
import { errorText } from './error-writer.js'
import { Pipeline } from './pipeline.js'
import type { OnRejection, Serve } from './responder.js'

/** A timeout that expired while the connection was not read, so that the client may not be late. */
interface Overdue {
  readonly answer: ErrorResponse
  readonly limitMs: number
}

/**
 * The order of events on one connection of a client.
 *
 * - Pipelined requests run at once only while all of them are safe; nothing is read while one waits, so that what waits
 *   is what came in one read. See `Pipeline`.
 * - After the last request, the one that says `Connection: close` or whose end is not certain, nothing is run.
 * - A broken request is answered after the responses to those before it.
 * - A client that has sent its FIN is answered: half-closed is not closed.
 * - The end does not destroy the last response: see `closeGently`.
 */
export class InboundConnection {
  readonly #socket: Socket
  readonly #onRejection: OnRejection
  readonly #clock: Clock
  readonly #pipeline: Pipeline
  /** The last request received, of those that were accepted. */
  #latest: IncomingMessage | undefined
  #latestResponse: ServerResponse | undefined
  /** Nothing that follows is a request to serve. */
  #last = false
  /** Written after every response, before the connection ends. */
  #epilogue: string | Buffer | undefined
  /** Reading is paused until the requests that wait have run. */
  #held = false
  #overdue: Overdue | undefined
  #closing = false

  constructor(socket: Socket, serve: Serve, onRejection: OnRejection, clock: Clock) {
    this.#socket = socket
    this.#onRejection = onRejection
    this.#clock = clock
    this.#pipeline = new Pipeline({ socket, serve, onRejection, onEnd: () => this.#ended() })
    // node:http ends a connection by this. It would close it with bytes unread, which causes a reset.
    socket.destroySoon = () => this.#close()
    // node:http resumes reading on its own, such as when a body is read. This listener runs after node:http's, just late
    // enough to pause it again.
    socket.on('resume', () => {
      if (this.#held) socket.pause()
      else if (this.#overdue !== undefined) this.#restartTimeout(this.#overdue)
    })
    socket.on('close', () => this.#pipeline.clientGone())
    // After node:http's own listener, which has marked the last response: the connection ends with it.
    socket.on('end', () => this.#halfClosed())
  }

  /** No request has been accepted on it yet. */
  get unused(): boolean {
    return this.#latest === undefined
  }

  /** Requests have come, and all have been answered. */
  get idle(): boolean {
    return this.#latest !== undefined && !this.#pending
  }

  /** A response is pending, and nothing is read until it is complete. */
  get unread(): boolean {
    if (this.#closing || !this.#pending) return false
    return this.#socket.readableEnded || this.#socket.isPaused()
  }

  get #pending(): boolean {
    return this.#pipeline.running + this.#pipeline.waiting > 0
  }

  /** Runs a request, at once or after those before it. `rejection`: one that its head does not tell. */
  accept(request: IncomingMessage, response: ServerResponse, rejection?: ErrorResponse): void {
    // A drain may have made the latest response the last one meanwhile.
    if (this.#last || this.#latestResponse?.shouldKeepAlive === false) {
      // RFC 9112, 9.6. The last request is complete, or this one would not have begun.
      this.#last = true
      this.#hold()
      // It will never be written. This event is all that a count of requests in flight gets.
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
    if (!this.#pipeline.add({ request, response, rejection })) this.#hold()
  }

  /** What came is not a request, or a request that did not complete: it is answered in order, and the connection ends. */
  broken(answer: ErrorResponse, epilogue: string | Buffer = errorText(answer)): void {
    // Read while the last response is being sent: dropped, and not a reason to reset the connection.
    if (this.#closing) return
    const latest = this.#latest
    const within = latest !== undefined && !latest.complete
    // As in `accept`.
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
      this.#failRequest(latest, answer)
    } else {
      this.#onRejection(answer, this.#socket)
    }
    if (this.#pipeline.running === 0) this.#advance()
  }

  /**
   * A head or a body has not come within `limitMs`: `broken`. While nothing is read, because another request runs first or
   * its response is not read, what is missing may have come long ago; it gets the full time once reading resumes, as
   * node:http checks only once.
   */
  timedOut(answer: ErrorResponse, limitMs: number): void {
    if (this.#socket.isPaused()) this.#overdue = { answer, limitMs }
    else this.broken(answer)
  }

  /** node:http has handed the connection over (CONNECT), and left its responses unfinished. */
  detached(answer: ErrorResponse): void {
    const socket = this.#socket
    socket.on('error', () => undefined)
    // node:http has removed its listener, and a response that waits for the event would wait indefinitely.
    socket.on('drain', () => {
      const { _httpMessage: response } = socket as Socket & { _httpMessage?: ServerResponse | null }
      if (response?.writableNeedDrain === true) response.emit('drain')
    })
    this.broken(answer)
  }

  #restartTimeout({ answer, limitMs }: Overdue): void {
    this.#overdue = undefined
    const latest = this.#latest
    const body = latest?.complete === false ? latest : undefined
    const timer = this.#clock.setTimer(() => {
      if (this.#latest === latest && body?.complete !== true) this.timedOut(answer, limitMs)
    }, limitMs)
    this.#socket.once('close', () => this.#clock.clearTimer(timer))
  }

  #failRequest(request: IncomingMessage, answer: ErrorResponse): void {
    const waiting = this.#pipeline.find(request)
    // A rejection by its head comes first: it is what would have been answered by now, had it not had to wait.
    if (waiting !== undefined) waiting.rejection ??= answer
    // The reader of the body answers; without a reader, it has been answered already.
    else if (request.listenerCount('error') > 0) request.emit('error', new BrokenRequest(answer))
  }

  #ended(): void {
    if (this.#pipeline.waiting > 0 || this.#epilogue !== undefined) this.#advance()
  }

  #advance(): void {
    this.#pipeline.advance()
    if (this.#pipeline.waiting > 0) return
    // The body of the last request may still be on its way.
    if (!this.#last || this.#latest?.complete === false) this.#release()
    if (this.#pipeline.running > 0 || this.#epilogue === undefined) return
    this.#close()
  }

  #halfClosed(): void {
    if (this.#closing || !this.#pending) return
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
    // node:http calls this too, after the last response to a half-closed client.
    if (this.#socket.writable && this.#epilogue !== undefined && this.#epilogue !== '')
      this.#socket.write(this.#epilogue)
    closeGently(this.#socket, this.#clock)
  }
}
