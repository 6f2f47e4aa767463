import type { AsyncResource } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { Entrant, Pass } from '../admission/pass.js'
import type { PickContext } from '../balance/picker.js'
import type { Deadline } from '../deadline/deadline.js'
import type { ClassifiedError } from '../endpoint/classify.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { AttemptListener, HttpAttempt } from '../endpoint/http-attempt.js'
import { asError } from '../errors.js'
import type { KeyHash } from '../hashing/key-hash.js'
import { withLastingHeaders } from '../hashing/request-fields.js'
import { isReplayable } from '../request/bodies.js'
import { SentBody } from '../request/sent-body.js'
import type { Deadlined, TimeLimit } from '../resilience/deadline.js'
import type { Outcome } from '../resilience/outcome.js'
import { isRetry } from '../resilience/is-retry.js'
import { isIdempotent } from '../resilience/retry.js'
import type { Later } from './later.js'
import type { Handler } from '../transport/handler.js'
import { ofAttempt } from './call-events.js'
import { cancelAll, pending } from './attempts.js'
import type { CallOptions } from './call-options.js'
import type { CallDependencies, FailedAttempt } from './call-owner.js'
import { CallerHandler } from './caller-handler.js'
import { contentLengthOf, HeldResponse, type HeldReader } from './held-response.js'
import { outgoing } from './outgoing.js'
import { policyFor, type EffectivePolicy } from './policy.js'
import { tooLate } from './too-late.js'
import { measureAnswer, silenceOf } from './verdict.js'

const NONE: readonly never[] = Object.freeze([])

/**
 * One request of a caller, over all its attempts: the caller's handler, the deadline, the attempts and what they failed
 * by. Until a response head is handed on, an attempt can be replaced by another; after it, never.
 */
export class Call
  extends CallerHandler
  implements
    AttemptListener<Endpoint>,
    PickContext<Endpoint>,
    KeyHash,
    Deadlined,
    HeldReader<HttpAttempt<Endpoint>>,
    Entrant
{
  options: CallOptions
  /** What holds for it from its first pick to its end: a change is for the calls after it. */
  policy: EffectivePolicy
  /** When the latest attempt began, and for pickers the same in whole milliseconds. */
  attemptedAt = 0
  now = 0
  deadline: number = Infinity
  before: Deadlined | undefined
  after: Deadlined | undefined
  /** The call is its own hash, so that none has to be made. */
  high = 0
  low = 0
  tried: readonly Endpoint[] = NONE
  errors: readonly Error[] = NONE
  pass: Pass | undefined
  readonly #dependencies: CallDependencies
  readonly #limit: TimeLimit
  /** Does it have a key? Not known before a balancer has asked. */
  #keyed: boolean | undefined
  /** Each leads to the one before it. */
  #latest: HttpAttempt<Endpoint> | undefined
  /** Of a body that can be read once only. */
  #sent: SentBody | undefined
  /** Ends the wait for the first snapshot. */
  #wake: (() => void) | undefined
  #late: (() => Error) | undefined
  /** What is due for it later, beside its deadline. */
  #later: readonly Later[] = NONE
  /** The response that has begun and is not handed on yet. */
  #held: HeldResponse<HttpAttempt<Endpoint>> | undefined
  #idempotent: boolean | undefined
  /** Attempts that have failed before a byte of them was written. */
  #unwritten = 0
  #committed = false
  #ended = false

  constructor(
    dependencies: CallDependencies,
    policy: EffectivePolicy,
    options: CallOptions,
    limit: TimeLimit,
    handler: Handler,
    context: AsyncResource | undefined,
  ) {
    super(handler, context)
    this.#dependencies = dependencies
    this.policy = policy
    // Below, too, it is known by the request's own word.
    this.options =
      policy.idempotent === undefined || options.idempotent !== undefined
        ? options
        : { ...options, idempotent: policy.idempotent }
    this.attemptedAt = dependencies.clock.now()
    this.now = Math.floor(this.attemptedAt)
    this.#limit = limit
    limit.add(this, this.attemptedAt)
  }

  get service(): string {
    return this.#dependencies.service
  }

  /** For people. */
  get title(): string {
    return `${this.options.method} ${this.options.path}`
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Has an attempt brought the head that its caller has got? There is no other attempt then. */
  get committed(): boolean {
    return this.#committed
  }

  /** Has an attempt brought a head that is the caller's, unless its body breaks off? */
  get answered(): boolean {
    return this.#committed || this.#held !== undefined
  }

  /** May it reach an endpoint twice? Its headers are looked at once. */
  get idempotent(): boolean {
    return (this.#idempotent ??= isIdempotent(this.options))
  }

  /** Whose deadline ends it, if none of its own does before. */
  get boundBy(): Deadline | undefined {
    const { bound, boundAt } = this.#limit
    return this.deadline === boundAt ? bound : undefined
  }

  /** What it was given, in milliseconds. */
  get timeoutMs(): number {
    return this.#limit.timeoutMs
  }

  /** Is it itself a retry, of its caller or of whoever that works for? It is not written twice then. */
  get ofRetry(): boolean {
    return this.#limit.bound?.ofRetry === true || isRetry(this.headers, this.policy.attemptHeader)
  }

  /** Those of the request; however often they are read. */
  get headers(): CallOptions['headers'] {
    this.options = withLastingHeaders(this.options)
    return this.options.headers
  }

  /** Once for all attempts, and only for balancers that look. */
  get hash(): KeyHash | undefined {
    this.#keyed ??= this.#computeHash()
    return this.#keyed ? this : undefined
  }

  /** What another attempt would send: of a stream that has been read, what was read of it, where that was kept. */
  get body(): unknown {
    return this.#sent?.content ?? this.options.body
  }

  /** How many attempts were made. */
  get attempts(): number {
    return this.#latest?.ordinal ?? 0
  }

  /** How many of them count against what its policy allows: all but those that were not written. */
  get spent(): number {
    return this.attempts - this.#unwritten
  }

  /**
   * Is an attempt under way?
   *
   * @param except Beside this one.
   */
  isAttempting(except = 0): boolean {
    return pending(this.#latest).some(({ ordinal }) => ordinal !== except)
  }

  /** Hands the caller the means to abort: at once, so that waiting for discovery can be aborted as well. */
  begin(): void {
    this.tellConnect((reason) => this.cancel(reason ?? new errors.RequestAbortedError()))
  }

  /** Its turn is in its caller's context, and behind whatever has just ended. */
  admitted(): void {
    this.inContext(() => queueMicrotask(() => this.#dependencies.owner.admitted(this)))
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
    // Discovery has brought the registry's preference.
    this.policy = policyFor(this.#dependencies.policy.current, this.options)
  }

  /** Sends the request to one endpoint; it may fail at once. False: the endpoint's circuit refuses. */
  attempt(endpoint: Endpoint): boolean {
    const content = this.#sent?.content
    // The stream has been read; what was read of it has been kept.
    if (content !== undefined) this.options = { ...this.options, body: content }
    this.#sent = undefined
    const attempt = endpoint.attempt(this.options, this, this.#latest, this.attemptedAt)
    if (attempt === undefined) return false
    this.#latest = attempt
    const { events } = this.#dependencies
    if (events.traced) events.publish({ type: 'attempt:start', ...this.#about(attempt, this.attemptedAt) })
    attempt.send()
    return true
  }

  /** Something is due for it later, unless it has its response or its end before that. */
  schedule(later: Later): void {
    this.#later = [...this.#later, later]
  }

  /** An attempt is given up for the one that has just begun beside it. */
  giveUp(attempt: HttpAttempt<Endpoint>, error: Error, lateMs: number): void {
    this.errors = [...this.errors, error]
    attempt.cancel(error, silenceOf(this, attempt, lateMs, this.#dependencies.clock.now()))
    const { events, clock } = this.#dependencies
    if (!events.traced) return
    events.publish({ type: 'attempt:failed', ...this.#about(attempt, clock.now()), error, final: undefined })
  }

  /** The latest attempt. */
  get latest(): HttpAttempt<Endpoint> | undefined {
    return this.#latest
  }

  /**
   * Ends the call where its time is over by now, although no timer has said so: what cannot be answered in time is not
   * sent. Says whether it was.
   */
  lapse(now: number): boolean {
    if (this.deadline > now) return false
    this.expire(now - this.deadline)
    return true
  }

  outgoing(attempt: HttpAttempt<Endpoint>): Dispatcher.DispatchOptions {
    const { bound, boundAt } = this.#limit
    const { deadlineHeaders, clock } = this.#dependencies
    const names = deadlineHeaders ?? bound?.receivedBy
    // Of most calls nothing is told.
    if (names === undefined && this.policy.attemptHeader === undefined) return attempt.options
    return outgoing(this, attempt, { names, boundAt, now: () => clock.now() })
  }

  /** Notes a failed attempt, so that the next one goes elsewhere. */
  note({ endpoint, error, written, ordinal }: FailedAttempt): void {
    this.#avoid(endpoint)
    // A circuit that refuses makes no attempt.
    if (!written && ordinal <= this.attempts) this.#unwritten++
    this.errors = [...this.errors, error]
    this.look()
  }

  /** What it picks next it picks at this moment. */
  look(): void {
    this.attemptedAt = this.#dependencies.clock.now()
    this.now = Math.floor(this.attemptedAt)
  }

  /** A further attempt goes elsewhere than those that are under way. Says whether there are such. */
  avoidPending(): boolean {
    // Of most calls this is the first attempt.
    if (this.#latest === undefined) return false
    const others = pending(this.#latest)
    for (const { endpoint } of others) this.#avoid(endpoint)
    return others.length > 0
  }

  /**
   * The caller gets `reason`, and the call has ended; attempts that are on their way are cancelled. The handler comes first,
   * as in undici: what undici aborts, it destroys the body of, and the handler is the one to say by which error.
   */
  cancel(reason: Error, outcomeOf: (attempt: HttpAttempt<Endpoint>) => Outcome = () => 'ignored'): void {
    cancelAll(this.#latest, reason, outcomeOf, () => this.#fail(reason))
  }

  onHead(
    attempt: HttpAttempt<Endpoint>,
    statusCode: number,
    headers: Buffer[],
    resume: () => void,
    statusMessage: string,
  ): boolean {
    if (statusCode < 200) return this.tellHead(statusCode, headers, resume, statusMessage)
    if (this.pass !== undefined) measureAnswer(this, attempt, this.#dependencies.clock.now())
    if (this.#held !== undefined) {
      // Another one was first, and is not whole yet: it may still break off, but this one is not needed for that.
      attempt.lose()
      return true
    }
    if (statusCode >= 400 && this.#isReplaced(attempt, statusCode)) {
      attempt.discard()
      return true
    }
    const length = this.#isRepeatable ? contentLengthOf(headers) : 0
    // Without a body there is nothing to hold, and the length of a stream is not known.
    if (length > 0) {
      const untilWhole = length <= this.policy.holdBytes
      this.#held = new HeldResponse(attempt, statusCode, headers, resume, statusMessage, untilWhole)
      return true
    }
    this.#commit(attempt, statusCode)
    return this.tellHead(statusCode, this.headOf(attempt, headers), resume, statusMessage)
  }

  onData(_attempt: HttpAttempt<Endpoint>, chunk: Buffer): boolean {
    const held = this.#held
    if (held === undefined) return this.tellData(chunk)
    if (this.#committed) return held.next(chunk)
    return !held.add(chunk) || this.#release(held)
  }

  onComplete(_attempt: HttpAttempt<Endpoint>, trailers: Buffer[]): void {
    const held = this.#held
    if (held === undefined) {
      this.heldEnd(trailers)
      return
    }
    held.complete(trailers)
    if (!this.#committed) this.#release(held)
  }

  headOf({ endpoint }: HttpAttempt<Endpoint>, headers: Buffer[]): Buffer[] {
    const { filter } = this.#dependencies
    return filter === undefined ? headers : filter(headers, this.headers, endpoint)
  }

  heldEnd(trailers: Buffer[]): void {
    if (this.#end(undefined)) this.tellComplete(trailers)
  }

  onStalled(): void {
    this.inContext(() => this.#dependencies.owner.attemptStalled(this))
  }

  onUpgrade(attempt: HttpAttempt<Endpoint>, statusCode: number, headers: Buffer[], socket: Duplex): void {
    measureAnswer(this, attempt, this.#dependencies.clock.now())
    this.#commit(attempt, statusCode)
    if (this.#end(undefined)) this.tellUpgrade(statusCode, this.headOf(attempt, headers), socket)
  }

  onFailure(attempt: HttpAttempt<Endpoint>, error: Error, { fault, advice }: ClassifiedError): void {
    const { endpoint, written, unprocessed, ordinal } = attempt
    if (this.#committed) this.#fail(error)
    else if (!this.#ended) {
      // Nothing of it was handed on: as if it had never come.
      if (this.#held?.attempt === attempt) this.#held = undefined
      const failed = { endpoint, error, fault, advice, written, unprocessed, ordinal }
      // This is the turn of whichever request opened the connection.
      this.inContext(() => this.#dependencies.owner.attemptFailed(this, failed))
    }
  }

  onEnd(attempt: HttpAttempt<Endpoint>): void {
    const { events, clock } = this.#dependencies
    const { decided: outcome } = attempt
    if (!events.traced || outcome === undefined) return
    const about = this.#about(attempt, clock.now())
    this.inContext(() => events.publish({ type: 'attempt:end', ...about, outcome }))
  }

  onBodySent(_attempt: HttpAttempt<Endpoint>, chunk: Uint8Array | string): void {
    // An upload takes as long as its sender does: while a stream makes progress, the deadline moves on.
    if (!this.#committed && !isReplayable(this.options.body)) {
      this.#limit.remove(this)
      this.#limit.add(this, this.#dependencies.clock.now())
      this.#kept()?.add(chunk)
    }
    this.tellBodySent(chunk)
  }

  onRequestSent(): void {
    if (!this.#committed && !isReplayable(this.options.body)) this.#kept()?.end()
    this.tellRequestSent()
  }

  onResponseStarted(): void {
    this.tellResponseStarted()
  }

  /** From the deadlines: its time is over. */
  expire(lateMs: number): void {
    // The head has come in time, and that is what the deadline is for.
    if (this.#held !== undefined) {
      this.#release(this.#held)
      return
    }
    // An endpoint that let the deadline pass has failed, as far as its circuit is concerned, if it had a chance.
    const now = this.#dependencies.clock.now()
    this.cancel(this.#whyLate(), (attempt) => silenceOf(this, attempt, lateMs, now))
  }

  protected override thrown(reason: Error): void {
    this.cancel(reason)
  }

  #fail(error: Error): void {
    if (!this.#end(error)) return
    this.#wake?.()
    this.tellError(error)
  }

  #avoid(endpoint: Endpoint): void {
    if (!this.tried.includes(endpoint)) this.tried = [...this.tried, endpoint]
  }

  #computeHash(): boolean {
    this.options = withLastingHeaders(this.options)
    return this.policy.hasher.hash(this.options, this)
  }

  /** May the answer be replaced by that of another endpoint, and is there one? */
  #isReplaced({ endpoint, written, ordinal, details }: HttpAttempt<Endpoint>, statusCode: number): boolean {
    const { policy, service } = this
    if (!policy.retryStatuses.has(statusCode) && details.pushbackMs === 0) return false
    // Nearly always the only one.
    if (policy.attempts === 1 && !this.isAttempting(ordinal)) return false
    const message = `${service} at ${endpoint.address} answered ${statusCode}`
    const error = new errors.ResponseError(message, statusCode, { headers: null })
    const failed = { endpoint, error, fault: 'endpoint', advice: undefined, written, ordinal } as const
    return this.inContext(() => this.#dependencies.owner.isReplaced(this, failed))
  }

  /** May another attempt take the place of one whose response breaks off? */
  get #isRepeatable(): boolean {
    if (this.spent >= this.policy.attempts || this.options.method === 'HEAD') return false
    return this.idempotent && isReplayable(this.body)
  }

  /** Hands on what was held. */
  #release(held: HeldResponse<HttpAttempt<Endpoint>>): boolean {
    this.#commit(held.attempt, held.statusCode)
    return held.release(this)
  }

  /** Where what is sent of a stream is kept, if it may be sent again. */
  #kept(): SentBody | undefined {
    if (this.policy.attempts === 1 || !this.idempotent) return undefined
    return (this.#sent ??= new SentBody())
  }

  /** The response of this attempt is the call's: what is left of the others is cancelled. */
  #commit(attempt: HttpAttempt<Endpoint>, statusCode: number): void {
    const { events, clock } = this.#dependencies
    if (events.traced) {
      events.publish({ type: 'attempt:answered', ...this.#about(attempt, clock.now()), statusCode })
    }
    this.#committed = true
    this.#sent = undefined
    // The deadline is for the head; a stream may go on for hours, under undici's idle timeout.
    this.#limit.remove(this)
    this.#cancelLater()
    for (let each = this.#latest; each !== undefined; each = each.previous) {
      if (each !== attempt) each.lose()
    }
  }

  /** It tells of discovery too, which may be the user's: what cannot be told must not cost those that expire behind it. */
  #whyLate(): Error {
    try {
      return this.#late?.() ?? tooLate(this)
    } catch (thrown) {
      return asError(thrown)
    }
  }

  #about({ endpoint, ordinal }: HttpAttempt<Endpoint>, now: number): ReturnType<typeof ofAttempt> {
    return ofAttempt(this, endpoint, ordinal, now)
  }

  #cancelLater(): void {
    // Nearly always there is none.
    if (this.#later.length === 0) return
    for (const later of this.#later) later.cancel()
    this.#later = NONE
  }

  #end(error: Error | undefined): boolean {
    if (this.#ended) return false
    this.#ended = true
    this.#limit.remove(this)
    this.#cancelLater()
    this.#dependencies.owner.ended(this, error)
    return true
  }
}
