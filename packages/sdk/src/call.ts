import type { Duplex } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { PickContext } from './balance/picker.js'
import type { Clock } from './clock.js'
import type { Endpoint } from './cluster/endpoint.js'
import type { Exchange } from './cluster/exchange.js'
import { FairleadError } from './errors.js'
import type { Handler } from './handler.js'
import type { KeyHash } from './hashing/key-hash.js'
import { withLastingHeaders } from './hashing/request-fields.js'
import type { Caller, RequestHasher } from './hashing/request-hasher.js'
import type { Deadlined, Deadlines } from './resilience/deadline.js'
import { isReplayable, type FailedAttempt } from './resilience/retry.js'
import type { Sessions } from './sessions/sessions.js'

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
  /** An attempt has failed before the head of a response. */
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
    clock: Clock,
    owner: CallOwner,
  ) {
    this.service = service
    this.options = options
    this.#handler = handler
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
    return { method, idempotent, body, written: this.#exchange?.written ?? false }
  }

  /** Hands the caller the means to abort: at once, so that waiting for discovery can be aborted as well. */
  begin(): void {
    this.#handler.onConnect((reason) => this.#abort(reason ?? new errors.RequestAbortedError()))
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
    this.#handler.onError(error)
  }

  // From the exchange: undici has begun to write. The caller has had its `onConnect` from `begin`.
  onConnect(): void {}

  onHeaders(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean {
    if (statusCode < 200) return this.#handler.onHeaders(statusCode, headers, resume, statusMessage)
    this.#commit()
    return this.#handler.onHeaders(statusCode, this.#withSession(headers), resume, statusMessage)
  }

  onData(chunk: Buffer): boolean {
    return this.#handler.onData(chunk)
  }

  onComplete(trailers: Buffer[]): void {
    if (this.#end()) this.#handler.onComplete(trailers)
  }

  onUpgrade(statusCode: number, headers: Buffer[], socket: Duplex): void {
    this.#commit()
    if (this.#end()) this.#handler.onUpgrade?.(statusCode, this.#withSession(headers), socket)
  }

  onError(error: Error): void {
    if (this.#committed) this.fail(error)
    else queueMicrotask(() => this.#retry(error))
  }

  onBodySent(chunkSize: number, totalBytesSent: number): void {
    // An upload takes as long as its sender does: while a stream makes progress, the deadline moves on.
    if (!this.#committed && !isReplayable(this.options.body)) {
      this.#deadlines.remove(this)
      this.#deadlines.add(this, this.#clock.now())
    }
    this.#handler.onBodySent?.(chunkSize, totalBytesSent)
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.()
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  /** In a turn of its own, as an attempt may fail before `attempt` has returned. */
  #retry(error: Error): void {
    if (!this.#ended && this.#endpoint !== undefined) this.#owner.retry(this, this.#endpoint, error)
  }

  /** Whoever has answered is where the session is from now on. */
  #withSession(headers: Buffer[]): Buffer[] {
    const { sessions } = this.#owner
    if (sessions === undefined || this.#endpoint === undefined) return headers
    return sessions.stamp(headers, this.session, this.#endpoint)
  }

  #commit(): void {
    this.#committed = true
    // The deadline is for the head; a stream may go on for hours, under undici's idle timeout.
    this.#deadlines.remove(this)
  }

  /** The caller goes away. */
  #abort(reason: Error): void {
    this.#exchange?.abandon(reason, 'ignored')
    this.fail(reason)
  }

  /** From the deadlines: its time is over. */
  expire(): void {
    const error = this.#late?.() ?? this.#tooLate()
    // An endpoint that let the deadline pass has failed, as far as its circuit is concerned.
    this.#exchange?.abandon(error, 'failure')
    this.fail(error)
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
