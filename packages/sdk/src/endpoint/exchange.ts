import type { Duplex } from 'node:stream'
import type { AsyncResource } from 'node:async_hooks'
import type { Dispatcher } from 'undici'
import type { BackendLoad } from '../orca/backend-load.js'
import type { Clock } from '../clock.js'
import type { Abort, Handler } from '../transport/handler.js'
import type { Outcome, Permit } from '../resilience/breaker.js'
import { isReplayable } from '../request/bodies.js'
import { isHeldByItsBody, isOfOurs, isOfTheCaller, isOfTheResponse } from '../resilience/fault.js'
import type { Connection } from '../transport/connection.js'
import type { Ending, Occupant } from '../transport/http1.js'
import { loadReportIn } from '../orca/find-header.js'
import type { LoopWatch } from '../runtime/loop-watch.js'

/** What an exchange writes to on its endpoint. */
export interface ExchangeSide {
  /** Where what it reports of its load goes; undefined: nobody wants to know, and nobody looks for it. */
  readonly backendLoad: BackendLoad | undefined
  /** Tells what of a response's time may be our own. */
  readonly loop: LoopWatch
  /** It answered: the time to first byte, in milliseconds. */
  observe(sampleMs: number, now: number): void
  /** It answered, after so many milliseconds at least and so many at most. */
  observeBetween(leastMs: number, mostMs: number, now: number): void
  /** It failed after so many milliseconds. */
  penalize(elapsedMs: number, now: number): void
  /** A request began; the load went up. */
  begin(): void
  /** Its response ended in whatever way; the load went down. */
  end(): void
  /** Its connection was closed behind the response before it. False: there is no other. */
  resend(exchange: Exchange): boolean
  /** It has no more use for its connection. */
  release(exchange: Exchange, ending: Ending): void
  /** No connection to it could be made. */
  unreachable(error: Error): void
  /** How it went, once. */
  judge(permit: Permit, outcome: Outcome, now: number): void
}

// Longer than a turn of a busy event loop takes, and than a timer of Node's is late by itself.
const HELD_UP_MS = 20

/**
 * One request on one endpoint: the only place that sees it written, answered, ended or broken off, and so the
 * only one that writes the endpoint's load, latency and circuit.
 * Latency ends at the first byte; the load ends with the body, exactly once in any order of events.
 */
export class Exchange implements Occupant {
  connection: Connection | undefined
  before: Occupant | undefined
  after: Occupant | undefined
  readonly options: Dispatcher.DispatchOptions
  readonly #side: ExchangeSide
  readonly #next: Handler
  readonly #permit: Permit
  readonly #clock: Clock
  // Numbers from the start: V8 boxes every value of a field that was once undefined.
  #startedAt = 0
  /** When it got its connection. */
  #turnAt = 0
  /** When it was written; of a stream, the last chunk so far. */
  #writtenAt = 0
  #written = false
  /** The request is whole. */
  #sent = false
  /** A byte of a response has come. */
  #answered = false
  #abort: Abort | undefined
  #abandoned: Error | undefined
  #judged = false
  #awaited = true
  #ended = false

  constructor(
    side: ExchangeSide,
    next: Handler,
    permit: Permit,
    options: Dispatcher.DispatchOptions,
    clock: Clock,
    now: number,
  ) {
    this.#side = side
    this.#next = next
    this.#permit = permit
    this.options = options
    this.#clock = clock
    this.#startedAt = now
    this.#turnAt = now
    this.#writtenAt = now
    side.loop.begin(now)
    side.begin()
  }

  get context(): AsyncResource | undefined {
    return this.#next.context
  }

  /** Has undici begun to write the request? If not, no byte of it can have left. */
  get written(): boolean {
    return this.#written
  }

  /**
   * What it says of the endpoint that it has not answered in time. Nothing, where the endpoint had the request for less
   * than half of the time: it stood in our own queue, or our event loop was held up (`lateMs`) before it was written; and
   * nothing where the caller does not go on with the upload.
   */
  silence(lateMs: number): Outcome {
    const now = this.#clock.now()
    const heldUp = lateMs > HELD_UP_MS
    const writtenAt = this.#written ? this.#writtenAt : now
    const given = now - (heldUp ? writtenAt : this.#turnAt)
    const unasked =
      this.connection === undefined || given * 2 < now - this.#startedAt || this.#heldByItsCaller
    return unasked ? 'ignored' : 'failure'
  }

  /** Gives the request up, connected or not. The next handler hears nothing more of it. */
  abandon(reason: Error, outcome: Outcome): void {
    if (this.#ended) return
    this.#abandoned = reason
    const now = this.#clock.now()
    // A deadline is on time, whoever took it.
    this.#judge(outcome, now, now)
    this.#end('abandoned')
    // Without a connection there is nothing to abort yet: `onConnect` will.
    this.#abort?.(reason)
  }

  onTurn(): void {
    this.#turnAt = this.#clock.now()
  }

  onConnect(abort: Abort): void {
    if (this.#abandoned !== undefined) {
      abort(this.#abandoned)
      return
    }
    this.#written = true
    this.#writtenAt = this.#clock.now()
    this.#abort = abort
  }

  onHeaders(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean {
    if (this.#abandoned !== undefined) return true
    // Interim responses (1xx) come before the one that counts.
    if (statusCode >= 200) {
      this.#judge(statusCode >= 500 ? 'failure' : 'success', this.#clock.now())
      if (this.#side.backendLoad !== undefined) this.#hear(this.#side.backendLoad, headers)
    }
    return this.#next.onHeaders(statusCode, headers, resume, statusMessage)
  }

  onData(chunk: Buffer): boolean {
    return this.#abandoned === undefined ? this.#next.onData(chunk) : true
  }

  onComplete(trailers: Buffer[]): void {
    if (this.#abandoned !== undefined) return
    this.#end('complete')
    this.#next.onComplete(trailers)
  }

  onUpgrade(statusCode: number, headers: Buffer[], socket: Duplex): void {
    if (this.#abandoned !== undefined) return
    this.#judge('success', this.#clock.now())
    socket.once('close', () => this.#end('broken'))
    this.#next.onUpgrade?.(statusCode, headers, socket)
  }

  onError(error: Error): void {
    if (this.#ended || this.#resend(error)) return
    const ours = isOfTheCaller(error, this.options.body) || isOfOurs(error)
    const counts = !ours && !isOfTheResponse(error)
    const headJudged = this.#judged
    const now = this.#clock.now()
    const readFrom = this.#side.loop.earliest(now)
    this.#judge(counts ? 'failure' : 'ignored', now, readFrom)
    // The circuit has its verdict from the head, or nothing to go by in a response that cannot be read. Of no use, it
    // must still cost the endpoint traffic; how long a body went on before it broke off says nothing of latency.
    if (!ours && headJudged) this.#side.penalize(0, now)
    else if (!ours && !counts) this.#penalize(now, readFrom)
    if (!ours && !this.#written) this.#side.unreachable(error)
    this.#end('broken')
    this.#next.onError(error)
  }

  onBodySent(chunk: Uint8Array | string): void {
    // However long its caller takes to give it, the endpoint cannot answer before it has it.
    if (!this.#judged && !isReplayable(this.options.body)) this.#writtenAt = this.#clock.now()
    if (this.#abandoned === undefined) this.#next.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    this.#sent = true
    if (this.#abandoned === undefined) this.#next.onRequestSent?.()
  }

  onResponseStarted(): void {
    this.#answered = true
    if (this.#abandoned === undefined) this.#next.onResponseStarted?.()
  }

  /**
   * A connection that has answered before, closed without a byte of an answer: the endpoint closed it behind that answer,
   * which is no failure of this request. Unless it was written to a connection that had rested: that may be anything.
   */
  #resend(error: Error): boolean {
    const { connection } = this
    if (connection?.used !== true || this.#answered || !isClosure(error)) return false
    if (this.#written && connection.rested) return false
    this.#abort = undefined
    const { context } = this
    // Now runs the work of whoever opened the connection.
    return context === undefined
      ? this.#side.resend(this)
      : context.runInAsyncScope(() => this.#side.resend(this))
  }

  /** Does its caller not go on with the upload? */
  get #heldByItsCaller(): boolean {
    return this.#written && !this.#sent && isHeldByItsBody(this.options.body)
  }

  /** @param readFrom The earliest that it can have been known. */
  #judge(outcome: Outcome, now: number, readFrom = this.#side.loop.earliest(now)): void {
    if (this.#judged) return
    this.#judged = true
    this.#settle()
    if (outcome === 'success') this.#observe(now, readFrom)
    if (outcome === 'failure') this.#penalize(now, readFrom)
    this.#side.judge(this.#permit, outcome, now)
  }

  /** From the write, not from the pick: connecting says little of how fast the endpoint answers. */
  #observe(now: number, readFrom: number): void {
    const mostMs = now - this.#writtenAt
    if (this.#heldByItsCaller) this.#side.observeBetween(0, mostMs, now)
    else if (readFrom === now) this.#side.observe(mostMs, now)
    else this.#side.observeBetween(Math.max(0, readFrom - this.#writtenAt), mostMs, now)
  }

  #penalize(now: number, readFrom: number): void {
    this.#side.penalize(Math.max(0, readFrom - this.#startedAt), now)
  }

  /** No response is awaited any more, or it is there. */
  #settle(): void {
    if (!this.#awaited) return
    this.#awaited = false
    this.#side.loop.end()
  }

  #hear(load: BackendLoad, headers: readonly Buffer[]): void {
    const report = loadReportIn(headers)
    if (report !== undefined) load.receive(report, Math.floor(this.#clock.now()))
  }

  #end(ending: Ending): void {
    if (this.#ended) return
    this.#ended = true
    this.#settle()
    this.#side.end()
    this.#side.release(this, ending)
  }
}

/** Did the other side close the connection? */
function isClosure(error: Error & { readonly code?: unknown }): boolean {
  return error.code === 'UND_ERR_SOCKET' || error.code === 'ECONNRESET' || error.code === 'EPIPE'
}
