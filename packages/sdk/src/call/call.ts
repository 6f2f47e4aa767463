/* eslint-disable @typescript-eslint/unbound-method -- `runInAsyncScope` takes a method and its object side by side. */
import type { AsyncResource } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { PickContext } from '../balance/picker.js'
import type { Clock } from '../clock.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { Exchange } from '../endpoint/exchange.js'
import { FairleadError } from '../errors.js'
import type { Handler } from '../transport/handler.js'
import type { KeyHash } from '../hashing/key-hash.js'
import { withLastingHeaders } from '../hashing/request-fields.js'
import type { Caller, RequestHasher } from '../hashing/request-hasher.js'
import type { Outcome } from '../resilience/breaker.js'
import type { Deadlined, Deadlines } from '../resilience/deadline.js'
import { isReplayable } from '../request/bodies.js'
import { SentBody } from '../request/sent-body.js'
import { isIdempotent, type FailedAttempt } from '../resilience/retry.js'
import type { Sessions } from '../sessions/sessions.js'

/** Dispatch options, and what Fairlead adds to them. */
export type CallOptions = Dispatcher.DispatchOptions & {
  /** Overrides the client's `timeoutMs` for this request, in milliseconds. */
  readonly timeoutMs?: number | undefined
  /**
   * What `ring_hash`, `maglev` and `rendezvous` go by for this request, before all that `hashOn` says: requests of one
   * key go to one endpoint. An empty one counts as none.
   */
  readonly hashKey?: string | undefined
  /** Who this request is made for: the part `sourceIp` of `hashOn`, and `SourceIP` of a service-resolver. */
  readonly caller?: Caller | undefined
}

/** Who decides what becomes of a call. */
export interface CallOwner {
  /** What calls are hashed by, for balancers that ask. */
  readonly hasher: RequestHasher
  /** Undefined: no call has a session. */
  readonly sessions?: Sessions<Endpoint> | undefined
  /** May a call have more than one attempt? */
  readonly retries: boolean
  /** An attempt has failed before the head of a response: ends the call now, or tries again in a turn of its own. */
  retry(call: Call, endpoint: Endpoint, failure: Error): void
  /** The call has ended, in whatever way. */
  ended(): void
}

const NONE: readonly never[] = Object.freeze([])

/**
 * One request of a caller, over all its attempts: the caller's handler, the deadline, and what was tried.
 * Until a response head is handed on, an attempt can be replaced by another; after it, never.
 */
export class Call implements Handler, PickContext<Endpoint>, KeyHash, Deadlined {
  readonly service: string
  /** What is done for it, in whichever turn, is done in the async context of its caller; undefined: in any. */
  readonly context: AsyncResource | undefined
  options: CallOptions
  /** When this attempt began, and for pickers the same in whole milliseconds. */
  attemptedAt = 0
  now = 0
  deadline = 0
  before: Deadlined | undefined
  after: Deadlined | undefined
  /** The call is its own hash, so that none has to be made. */
  high = 0
  low = 0
  tried: readonly Endpoint[] = NONE
  errors: readonly Error[] = NONE
  readonly #handler: Handler
  readonly #clock: Clock
  readonly #owner: CallOwner
  readonly #deadlines: Deadlines
  /** Does it have a key? Not known before a balancer has asked. */
  #keyed: boolean | undefined
  #session: string | undefined
  #sessionRead = false
  #exchange: Exchange | undefined
  #endpoint: Endpoint | undefined
  /** Of a body that can be read once only. */
  #sent: SentBody | undefined
  /** Ends the wait for the first snapshot. */
  #wake: (() => void) | undefined
  #late: (() => Error) | undefined
  #committed = false
  #ended = false

  constructor(
    service: string,
    options: CallOptions,
    deadlines: Deadlines,
    handler: Handler,
    context: AsyncResource | undefined,
    clock: Clock,
    owner: CallOwner,
  ) {
    this.service = service
    this.options = options
    this.#handler = handler
    this.context = context
    this.#clock = clock
    this.#owner = owner
    this.attemptedAt = clock.now()
    this.now = Math.floor(this.attemptedAt)
    this.#deadlines = deadlines
    deadlines.add(this, this.attemptedAt)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Read only where nothing is left but what discovery no longer lists. */
  get idempotent(): boolean {
    const { method, idempotent } = this.options
    return isIdempotent({ method, idempotent })
  }

  /** Once for all attempts, and only for balancers that look. */
  get hash(): KeyHash | undefined {
    this.#keyed ??= this.#computeHash()
    return this.#keyed ? this : undefined
  }

  /** Once for all attempts, and only where the client is sticky. */
  get session(): string | undefined {
    if (!this.#sessionRead) {
      this.#sessionRead = true
      const { sessions } = this.#owner
      if (sessions !== undefined) {
        this.options = withLastingHeaders(this.options)
        this.#session = sessions.read(this.options.headers)
      }
    }
    return this.#session
  }

  #computeHash(): boolean {
    this.options = withLastingHeaders(this.options)
    return this.#owner.hasher.hash(this.options, this)
  }

  /** The last attempt, for the question whether there may be another. */
  get lastAttempt(): FailedAttempt {
    const { method, idempotent, body } = this.options
    return {
      method,
      idempotent,
      body: this.#sent?.content ?? body,
      written: this.#exchange?.written ?? false,
    }
  }

  /** Hands the caller the means to abort: at once, so that waiting for discovery can be aborted as well. */
  begin(): void {
    try {
      this.#handler.onConnect((reason) => this.#giveUp(reason ?? new errors.RequestAbortedError(), 'ignored'))
    } catch (thrown) {
      this.#thrown(thrown)
    }
  }

  /** Waits for what `subscribe` announces, or for the end of the call. `late`: the error if the deadline comes first. */
  async until(subscribe: (callback: () => void) => () => void, late: () => Error): Promise<void> {
    this.#late = late
    let unsubscribe: (() => void) | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      unsubscribe = subscribe(resolve)
    })
    unsubscribe?.()
    this.#wake = undefined
    this.#late = undefined
  }

  /** Sends the request to one endpoint. The owner hears of it if that fails. */
  attempt(endpoint: Endpoint): void {
    const content = this.#sent?.content
    // The stream has been read; what was read of it has been kept.
    if (content !== undefined) this.options = { ...this.options, body: content }
    this.#sent = undefined
    this.#endpoint = endpoint
    this.#exchange = undefined
    this.#exchange = endpoint.exchange(this.options, this, this.attemptedAt)
  }

  /** Notes a failed attempt, so that the next one goes elsewhere. */
  failed(endpoint: Endpoint, error: Error): void {
    this.tried = [...this.tried, endpoint]
    this.errors = [...this.errors, error]
    this.attemptedAt = this.#clock.now()
    this.now = Math.floor(this.attemptedAt)
  }

  /** The caller gets `error`, and the call has ended. */
  fail(error: Error): void {
    if (!this.#end()) return
    this.#wake?.()
    this.#tell(error)
  }

  // From the exchange: undici has begun to write. The caller has had its `onConnect` from `begin`.
  onConnect(): void {}

  onHeaders(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean {
    if (statusCode >= 200) this.#commit()
    try {
      const own = statusCode >= 200 ? this.#withSession(headers) : headers
      const handler = this.#handler
      return this.context === undefined
        ? handler.onHeaders(statusCode, own, resume, statusMessage)
        : this.context.runInAsyncScope(handler.onHeaders, handler, statusCode, own, resume, statusMessage)
    } catch (thrown) {
      return this.#thrown(thrown)
    }
  }

  onData(chunk: Buffer): boolean {
    const handler = this.#handler
    try {
      return this.context === undefined
        ? handler.onData(chunk)
        : this.context.runInAsyncScope(handler.onData, handler, chunk)
    } catch (thrown) {
      return this.#thrown(thrown)
    }
  }

  onComplete(trailers: Buffer[]): void {
    if (!this.#end()) return
    const handler = this.#handler
    try {
      if (this.context === undefined) handler.onComplete(trailers)
      else this.context.runInAsyncScope(handler.onComplete, handler, trailers)
    } catch (thrown) {
      this.#tell(asReason(thrown))
    }
  }

  onUpgrade(statusCode: number, headers: Buffer[], socket: Duplex): void {
    this.#commit()
    if (!this.#end()) return
    try {
      const own = this.#withSession(headers)
      this.inContext(() => this.#handler.onUpgrade?.(statusCode, own, socket))
    } catch (thrown) {
      // The connection was handed over, and whoever took it has failed.
      const reason = asReason(thrown)
      this.#tell(reason)
      socket.destroy(socket.listenerCount('error') > 0 ? reason : undefined)
    }
  }

  onError(error: Error): void {
    if (this.#committed || this.#endpoint === undefined) this.fail(error)
    else if (!this.#ended) this.#owner.retry(this, this.#endpoint, error)
  }

  onBodySent(chunk: Uint8Array | string): void {
    // An upload takes as long as its sender does: while a stream makes progress, the deadline moves on.
    if (!this.#committed && !isReplayable(this.options.body)) {
      this.#deadlines.remove(this)
      this.#deadlines.add(this, this.#clock.now())
      this.#kept()?.add(chunk)
    }
    if (this.#handler.onBodySent === undefined) return
    try {
      this.inContext(() => this.#handler.onBodySent?.(chunk))
    } catch (thrown) {
      this.#thrown(thrown)
    }
  }

  onRequestSent(): void {
    if (!this.#committed && !isReplayable(this.options.body)) this.#kept()?.end()
    if (this.#handler.onRequestSent === undefined) return
    try {
      this.inContext(() => this.#handler.onRequestSent?.())
    } catch (thrown) {
      this.#thrown(thrown)
    }
  }

  onResponseStarted(): void {
    if (this.#handler.onResponseStarted === undefined) return
    try {
      this.inContext(() => this.#handler.onResponseStarted?.())
    } catch (thrown) {
      this.#thrown(thrown)
    }
  }

  /** Runs what is for its caller, in whatever turn this is. */
  inContext<R>(work: () => R): R {
    return this.context === undefined ? work() : this.context.runInAsyncScope(work)
  }

  /** Where what is sent of a stream is kept, if it may be sent again. */
  #kept(): SentBody | undefined {
    if (!this.#owner.retries || !isIdempotent(this.options)) return undefined
    return (this.#sent ??= new SentBody())
  }

  /** What the caller's handler throws is its own error, and ends its own call: no endpoint has failed by it. */
  #thrown(thrown: unknown): false {
    this.#giveUp(asReason(thrown), 'ignored')
    return false
  }

  /** The last that the handler hears. */
  #tell(error: Error): void {
    try {
      this.inContext(() => this.#handler.onError(error))
    } catch (thrown) {
      // There is no callback left to tell of it: an uncaught exception, as with undici. In a turn of its own, since
      // the deadlines or calls of others may be next in this one.
      queueMicrotask(() => {
        throw thrown
      })
    }
  }

  /** Whoever has answered is where the session is from now on. */
  #withSession(headers: Buffer[]): Buffer[] {
    const { sessions } = this.#owner
    if (sessions === undefined || this.#endpoint === undefined) return headers
    return sessions.stamp(headers, this.session, this.#endpoint)
  }

  #commit(): void {
    this.#committed = true
    this.#sent = undefined
    // The deadline is for the head; a stream may go on for hours, under undici's idle timeout.
    this.#deadlines.remove(this)
  }

  /**
   * Ends the call while an attempt may be on its way. The handler comes first, as in undici: what undici aborts, it
   * destroys the body of, and the handler is the one to say by which error.
   */
  #giveUp(reason: Error, outcome: Outcome): void {
    const exchange = this.#exchange
    this.fail(reason)
    exchange?.abandon(reason, outcome)
  }

  /** From the deadlines: its time is over. */
  expire(lateMs: number): void {
    // An endpoint that let the deadline pass has failed, as far as its circuit is concerned, if it had a chance.
    this.#giveUp(this.#late?.() ?? this.#tooLate(), this.#exchange?.silence(lateMs) ?? 'ignored')
  }

  #tooLate(): Error {
    const { method, path } = this.options
    const endpoint = this.#endpoint?.address
    return new FairleadError(
      'DEADLINE_EXCEEDED',
      `${method} ${path} to ${this.service} at ${String(endpoint)} has no response after ${this.#deadlines.timeoutMs} ms` +
        ` (option timeoutMs), attempt ${this.errors.length + 1}`,
      { service: this.service, endpoint, errors: this.errors },
    )
  }

  #end(): boolean {
    if (this.#ended) return false
    this.#ended = true
    this.#deadlines.remove(this)
    this.#owner.ended()
    return true
  }
}

/** What a handler threw, as undici hands it on. */
function asReason(thrown: unknown): Error {
  return (thrown as Error | undefined) ?? new errors.RequestAbortedError()
}
