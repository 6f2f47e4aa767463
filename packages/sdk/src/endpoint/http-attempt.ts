import type { AsyncResource } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { Clock } from '../clock.js'
import { asError } from '../errors.js'
import { isReplayable } from '../request/bodies.js'
import { isHeldByItsBody } from '../request/held-by-body.js'
import type { Permit } from '../resilience/breaker.js'
import { isFailure, NO_DETAILS, type Outcome, type OutcomeDetails } from '../resilience/outcome.js'
import type { RecentLatency } from '../resilience/recent-latency.js'
import type { Owing, Silence } from '../resilience/stall/silence.js'
import type { Abort } from '../transport/handler.js'
import type { ReleaseReason, Transport, TransportRequest } from '../transport/transport.js'
import type { ClassifiedError, ClassifiedHead, Classifier } from './classify.js'
import { Lease, type LeaseAccounting } from './lease.js'
import { takeLoadReport, type ReportingEndpoint } from './load-report.js'

/** What an attempt needs of its endpoint, beside what a lease does. */
export interface AttemptedEndpoint extends LeaseAccounting, ReportingEndpoint {
  /** `host:port`, for people. */
  readonly address: string
  readonly classifier: Classifier
  /** Hears the time to each response head; undefined: nobody asks for it. */
  readonly recent?: RecentLatency | undefined
  /** Hears of what it owes and of every byte of it; undefined: its silence says nothing. */
  readonly silence?: Silence | undefined
  /** No connection to it could be made. */
  unreachable(error: Error): void
}

/** Hears of the attempts of one call; each names itself. */
export interface AttemptListener<E extends AttemptedEndpoint> {
  /** Whose work it is; undefined: that of whichever turn it comes about in. */
  readonly context: AsyncResource | undefined
  /** A head, also an interim one (1xx). `false`: pause until `resume` is called. */
  onHead(
    attempt: HttpAttempt<E>,
    statusCode: number,
    headers: Buffer[],
    resume: () => void,
    statusMessage: string,
  ): boolean
  /** It has no head yet, and its endpoint is stalled. May come again. */
  onStalled(attempt: HttpAttempt<E>): void
  /** A piece of the body. `false`: pause. */
  onData(attempt: HttpAttempt<E>, chunk: Buffer): boolean
  /** The response is whole. Nothing follows. */
  onComplete(attempt: HttpAttempt<E>, trailers: Buffer[]): void
  /** The endpoint has switched protocols. Nothing follows. */
  onUpgrade(attempt: HttpAttempt<E>, statusCode: number, headers: Buffer[], socket: Duplex): void
  /** What is sent of it, told in the turn in which it is. */
  outgoing(attempt: HttpAttempt<E>): Dispatcher.DispatchOptions
  /** It has failed, before or after the head. Nothing follows. */
  onFailure(attempt: HttpAttempt<E>, error: Error, classified: ClassifiedError): void
  /** It has its outcome, and the endpoint has no more to do for it. Comes once, before the callback that ends it. */
  onEnd(attempt: HttpAttempt<E>): void
  onBodySent(attempt: HttpAttempt<E>, chunk: Uint8Array | string): void
  onRequestSent(attempt: HttpAttempt<E>): void
  onResponseStarted(attempt: HttpAttempt<E>): void
}

const UPGRADED: ClassifiedHead = { outcome: 'success', statusCode: 101, pushbackMs: 0 }

// Longer than a turn of a busy event loop takes, and than a timer of Node's is late by itself.
const HELD_UP_MS = 20

// What is read of an answer that is not wanted, so that its connection can be used again: about what a new connection
// costs, with the page that a proxy sends with its 502.
const DISCARD_BYTES = 64 * 1024

/** One HTTP request on one endpoint: a lease that a transport speaks to, and that tells its call. */
export class HttpAttempt<E extends AttemptedEndpoint> extends Lease implements TransportRequest, Owing {
  carrier: object | undefined
  before: TransportRequest | undefined
  after: TransportRequest | undefined
  readonly options: Dispatcher.DispatchOptions
  readonly endpoint: E
  /** The one before it, of the same call. */
  readonly previous: HttpAttempt<E> | undefined
  /** 1 for the first of its call. */
  readonly ordinal: number
  written = false
  unprocessed = false
  answered = false
  /** What the head of its response has told beside its status's outcome. */
  details: OutcomeDetails = NO_DETAILS
  owedPlace = -1
  readonly #transport: Transport
  readonly #listener: AttemptListener<E>
  readonly #clock: Clock
  // Numbers from the start: V8 boxes every value of a field that was once undefined.
  /** When it got its connection. */
  #turnAt = 0
  /** When it was written; of a stream, the last chunk so far. */
  #writtenAt = 0
  /** The request is whole. */
  #sent = false
  #abort: Abort | undefined
  #cancelled: Error | undefined
  /** So many bytes are still read of an answer that is not wanted; negative: it is. */
  #discarding = -1

  constructor(
    endpoint: E,
    transport: Transport,
    permit: Permit,
    options: Dispatcher.DispatchOptions,
    listener: AttemptListener<E>,
    previous: HttpAttempt<E> | undefined,
    clock: Clock,
    now: number,
  ) {
    super(endpoint, permit, now)
    this.endpoint = endpoint
    this.#transport = transport
    this.options = options
    this.#listener = listener
    this.previous = previous
    this.ordinal = previous === undefined ? 1 : previous.ordinal + 1
    this.#clock = clock
    this.#turnAt = now
    this.#writtenAt = now
  }

  get context(): AsyncResource | undefined {
    return this.#listener.context
  }

  /** Once, after its call knows of it: it may fail at once. */
  send(): void {
    try {
      this.#transport.send(this)
    } catch (thrown) {
      // A transport throws nothing, or should not: an origin that is none, a connector of the user's.
      this.onError(asError(thrown))
    }
  }

  /**
   * What it says of the endpoint that it has not answered in time. Nothing, where the endpoint had the request for less
   * than half of the time: it stood in our own queue, or our event loop was held up (`lateMs`) before it was written; and
   * nothing where the caller does not go on with the upload.
   *
   * @param leastMs Nothing either, where the endpoint had it for a shorter time than this.
   */
  silence(lateMs: number, leastMs = 0): Outcome {
    const now = this.#clock.now()
    const heldUp = lateMs > HELD_UP_MS
    const writtenAt = this.written ? this.#writtenAt : now
    // Until it was written, our standing still kept it from getting on; later it only kept us from reading.
    const stoodStill = this.endpoint.loop.heldUpMs(this.#turnAt, writtenAt)
    const given = now - (heldUp ? writtenAt : this.#turnAt + stoodStill)
    const unasked = this.carrier === undefined || given * 2 < now - this.startedAt || this.#heldByItsCaller
    return unasked || given < leastMs ? 'ignored' : 'local_failure'
  }

  /** Ends the request from our side, connected or not. Its call hears nothing more of it. */
  cancel(reason: Error, outcome: Outcome): void {
    if (this.ended) return
    this.#cancelled = reason
    const now = this.#clock.now()
    // A deadline is on time, whatever took it.
    this.outcome(outcome, now, now)
    this.#end('cancelled')
    // Without a connection there is nothing to abort yet: `onConnect` will.
    this.#abort?.(reason)
  }

  /** Another attempt was faster: this one would have taken longer than it has by now. */
  lose(): void {
    if (this.ended) return
    if (this.written && this.#sent && this.details === NO_DETAILS) {
      const now = this.#clock.now()
      const leastMs = Math.max(0, this.earliest(now) - this.#writtenAt)
      this.firstAnswer(now, Infinity, leastMs)
      this.endpoint.recent?.record(leastMs, now)
    }
    this.cancel(new errors.RequestAbortedError(), 'ignored')
  }

  /** Its answer is not the call's. */
  get discarded(): boolean {
    return this.#discarding >= 0
  }

  /** Takes no notice of the rest of its answer, and reads it where it is short. Its call hears nothing more of it. */
  discard(): void {
    if (this.ended) return
    this.#discarding = DISCARD_BYTES
    // An upload that goes on would hold a connection for nothing.
    if (!this.#sent) this.cancel(new errors.RequestAbortedError(), 'ignored')
  }

  onStalled(): void {
    this.#listener.onStalled(this)
  }

  toSend(): Dispatcher.DispatchOptions {
    return this.#listener.outgoing(this)
  }

  onTurn(): void {
    this.#turnAt = this.#clock.now()
  }

  onConnect(abort: Abort): void {
    if (this.#cancelled !== undefined) {
      abort(this.#cancelled)
      return
    }
    this.written = true
    this.#writtenAt = this.#clock.now()
    this.#abort = abort
  }

  onHeaders(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean {
    this.#heard()
    if (this.#cancelled !== undefined) return true
    // Interim responses (1xx) come before the one that counts.
    if (statusCode >= 200) {
      this.#answer(this.endpoint.classifier.head(statusCode, headers), this.#clock.now())
      if (this.endpoint.backendLoad !== undefined) takeLoadReport(this.endpoint, headers, this.#clock)
    }
    return this.#listener.onHead(this, statusCode, headers, resume, statusMessage)
  }

  onData(chunk: Buffer): boolean {
    this.#heard()
    if (this.#cancelled !== undefined) return true
    return this.discarded ? this.#readUnwanted(chunk) : this.#listener.onData(this, chunk)
  }

  onComplete(trailers: Buffer[]): void {
    this.#heard()
    if (this.#cancelled !== undefined) return
    if (this.decided === undefined)
      this.outcome(this.endpoint.classifier.trailers(trailers), this.#clock.now())
    this.#end('complete')
    if (!this.discarded) this.#listener.onComplete(this, trailers)
  }

  onUpgrade(statusCode: number, headers: Buffer[], socket: Duplex): void {
    if (this.#cancelled !== undefined) return
    this.#answer(UPGRADED, this.#clock.now())
    socket.once('close', () => this.#end('failed'))
    this.#listener.onUpgrade(this, statusCode, headers, socket)
  }

  onError(error: Error): void {
    if (this.ended) return
    if (this.discarded) {
      this.#end('failed')
      return
    }
    if (this.#isResent(error)) return
    const classified = this.endpoint.classifier.error(error, this.options.body)
    const { outcome, fault } = classified
    const ofEndpoint = fault === 'endpoint' || fault === 'response'
    const now = this.#clock.now()
    const knownSince = this.earliest(now)
    // After a head the circuit has its outcome, and how long a body went on before it was cut says nothing of latency.
    // Of no use, it must still cost the endpoint traffic; so must a response that cannot be read.
    if (ofEndpoint && this.decided !== undefined) this.penalize(now)
    else if (ofEndpoint && outcome === 'ignored') this.penalize(now, knownSince, this.startedAt)
    this.outcome(outcome, now, knownSince)
    if (ofEndpoint && !this.written) this.endpoint.unreachable(error)
    this.#end('failed')
    this.#listener.onFailure(this, error, classified)
  }

  onBodySent(chunk: Uint8Array | string): void {
    // However long its caller takes to give it, the endpoint cannot answer before it has it.
    if (this.decided === undefined && !isReplayable(this.options.body)) this.#writtenAt = this.#clock.now()
    if (this.#cancelled === undefined) this.#listener.onBodySent(this, chunk)
  }

  onRequestSent(): void {
    this.#sent = true
    if (this.details === NO_DETAILS && !this.ended) this.endpoint.silence?.owe(this)
    if (this.#cancelled === undefined) this.#listener.onRequestSent(this)
  }

  onResponseStarted(): void {
    this.answered = true
    this.#heard()
    if (this.#cancelled === undefined) this.#listener.onResponseStarted(this)
  }

  /** A failure of the connection alone is not a failure of the attempt. */
  #isResent(error: Error): boolean {
    this.#abort = undefined
    this.endpoint.silence?.settle(this)
    const { context } = this
    // Now runs the work of whichever request opened the connection.
    return context === undefined
      ? this.#transport.resend(this, error)
      : context.runInAsyncScope(() => this.#transport.resend(this, error))
  }

  /** Does its caller not go on with the upload? */
  get #heldByItsCaller(): boolean {
    return this.written && !this.#sent && isHeldByItsBody(this.options.body)
  }

  #heard(): void {
    const { silence } = this.endpoint
    if (silence !== undefined) silence.heard++
  }

  #readUnwanted(chunk: Buffer): boolean {
    this.#discarding -= chunk.length
    if (this.#discarding < 0) this.cancel(new errors.RequestAbortedError(), 'ignored')
    return true
  }

  #answer(head: ClassifiedHead, now: number): void {
    const { outcome } = head
    const knownSince = this.earliest(now)
    this.details = head
    this.endpoint.silence?.settle(this)
    // What says "not now" or fails does so fast: that must not look like answering fast.
    if (!isFailure(outcome) && outcome !== 'overloaded') {
      this.#observe(now, knownSince)
      this.endpoint.recent?.record(knownSince - this.#writtenAt, now)
    }
    if (outcome !== 'pending') this.outcome(outcome, now, knownSince, head)
  }

  /** From the write, not from the pick: connecting says little of how fast the endpoint answers. */
  #observe(now: number, knownSince: number): void {
    const mostMs = now - this.#writtenAt
    if (this.#heldByItsCaller) this.firstAnswer(now, mostMs, 0)
    else if (knownSince === now) this.firstAnswer(now, mostMs)
    else this.firstAnswer(now, mostMs, Math.max(0, knownSince - this.#writtenAt))
  }

  #end(reason: ReleaseReason): void {
    if (this.ended) return
    this.endpoint.silence?.settle(this)
    this.end(this.decided === undefined ? this.#clock.now() : 0)
    this.#transport.release(this, reason)
    this.#listener.onEnd(this)
  }
}
