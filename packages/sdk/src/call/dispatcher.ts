import { AsyncResource } from 'node:async_hooks'
import { Dispatcher, errors } from 'undici'
import { Call } from './call.js'
import type { CallDependencies, ResponseFilter } from './call-owner.js'
import type { CallOptions } from './call-options.js'
import { LEAST_IMPORTANT } from '../admission/priority.js'
import type { Clock } from '../clock.js'
import { currentDeadline } from '../deadline/current-deadline.js'
import type { Deadline, DeadlineHeader } from '../deadline/deadline.js'
import type { Cluster } from '../cluster/cluster.js'
import { FairleadError } from '../errors.js'
import type { Execution } from './execution.js'
import { clientClosed } from './failures.js'
import type { Leases } from './leases.js'
import { policyFor, type EffectivePolicy } from './policy.js'
import { toHandler, type Handler } from '../transport/handler.js'
import type { Events } from '../observe/events.js'
import { invalidOption, requireCount, requireTime } from '../validation/invalid-option.js'
import { admit } from '../request/request-rules.js'
import type { ServiceOrigins } from '../validation/service-url.js'
import { summarize } from '../runtime/summarize.js'
import { Deadlines, type TimeLimit } from '../resilience/deadline.js'
import { DeadlineHeap } from '../resilience/deadline-heap.js'
import { OwnLimit } from '../resilience/own-limit.js'

export interface ClientDispatcherOptions {
  readonly service: string
  /** How a caller may spell the service. */
  readonly origins: ServiceOrigins
  readonly cluster: Cluster
  readonly execution: Execution
  /** Leases that others hold: they end with the requests. */
  readonly leases: Leases
  readonly policy: { readonly current: EffectivePolicy }
  /** Undefined: responses are handed on as they are. */
  readonly filter?: ResponseFilter | undefined
  /** What tells endpoints how much time is left; undefined: what the deadline of a call came in by. */
  readonly deadlineHeaders?: readonly DeadlineHeader[] | undefined
  readonly events: Events
  readonly clock: Clock
}

/** The entry point: an undici Dispatcher with every policy behind it. */
export class ClientDispatcher extends Dispatcher {
  readonly #options: ClientDispatcherOptions
  readonly #calls: CallDependencies
  /** Those of the requests that bring no limit of their own. */
  #deadlines: Deadlines
  /** Those of all others. */
  readonly #ownDeadlines: DeadlineHeap
  /** The limit that undici's own, which is set for each connection, stands behind. */
  readonly #usualMs: number
  readonly #origins: ServiceOrigins
  #closing: Promise<void> | undefined
  #destroying: Promise<void> | undefined

  constructor(options: ClientDispatcherOptions) {
    super()
    this.#options = options
    const { service, execution: owner, policy, filter, deadlineHeaders, events, clock } = options
    this.#calls = { service, owner, policy, filter, deadlineHeaders, events, clock }
    this.#usualMs = policy.current.timeoutMs
    this.#deadlines = new Deadlines(this.#usualMs, clock)
    this.#ownDeadlines = new DeadlineHeap(clock)
    this.#origins = options.origins
    // `compose` makes a Proxy of this and calls its methods on that, which has no private members.
    for (const name of ['dispatch', 'close', 'destroy'] as const) {
      Object.defineProperty(this, name, { value: this[name].bind(this), writable: true, configurable: true })
    }
    summarize(this, 'ServiceDispatcher', () => ({ service: options.service, closed: this.closed }))
  }

  /** Has `close` or `destroy` been called? */
  get closed(): boolean {
    return this.#closing !== undefined || this.destroyed
  }

  /** Has `destroy` been called, or has `close` come to its end? */
  get destroyed(): boolean {
    return this.#destroying !== undefined
  }

  /**
   * Sends a request to an endpoint of the service. An `origin`, as `fetch` gives it, must be the service's own,
   * `http://<service>`. What is wrong with the request reaches the handler, and nothing was counted or sent.
   *
   * @throws InvalidArgumentError when there is no handler that could hear of it, as undici.
   */
  override dispatch(options: CallOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (!isObject(handler)) throw new errors.InvalidArgumentError('handler must be an object')
    const own = toHandler(handler)
    try {
      this.#send(options, own, handler)
      return true
    } catch (error) {
      if (typeof own.onError !== 'function') throw error
      own.onError(error as Error)
      return false
    }
  }

  /** As of `Client.forward`. */
  forward(options: CallOptions, handler: Handler, deadline?: Deadline): void {
    try {
      if (this.closed) throw clientClosed(this.#options.service)
      this.#checkOwn(options)
    } catch (error) {
      handler.onError(error as Error)
      return
    }
    this.#execute(options, handler, undefined, deadline)
  }

  /**
   * Takes no more requests, lets those in flight finish for however long it takes, then closes all connections.
   * `close` of the client has a limit to it.
   */
  override close(): Promise<void>
  override close(callback: () => void): void
  override close(callback?: () => void): Promise<void> | undefined {
    checkCallback(callback)
    const refused = this.#destroying !== undefined && this.#closing === undefined
    if (refused) return announce(Promise.reject(clientClosed(this.#options.service)), callback)
    this.#closing ??= this.#close()
    return announce(this.#closing, callback)
  }

  /** Aborts what is in flight and what waits, each with `error`. Default: `CLIENT_CLOSED`. */
  override destroy(error?: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(first?: Error | null | (() => void), second?: () => void): Promise<void> | undefined {
    const callback = typeof first === 'function' ? first : second
    checkCallback(callback)
    const error = typeof first === 'function' ? undefined : first
    this.#destroying ??= this.#destroy(error ?? clientClosed(this.#options.service))
    return announce(this.#destroying, callback)
  }

  #send(given: CallOptions, handler: Handler, callers: object): void {
    if (!isObject(given)) throw new errors.InvalidArgumentError('opts must be an object.')
    if (this.closed) throw clientClosed(this.#options.service)
    const options = admit(given, callers)
    this.#checkOwn(options)
    this.#execute(options, handler, contextOf(handler), currentDeadline())
  }

  #execute(
    options: CallOptions,
    handler: Handler,
    context: AsyncResource | undefined,
    bound: Deadline | undefined,
  ): void {
    const { execution, policy } = this.#options
    const own = options.timeoutMs
    const effective = policyFor(policy.current, options)
    const { timeoutMs } = effective
    // undici's limit for heads stands behind the client's own deadline, not behind another one.
    const limited =
      own === undefined && timeoutMs === this.#usualMs ? options : { headersTimeout: 0, ...options }
    const limit =
      own === undefined && bound === undefined && timeoutMs === policy.current.timeoutMs
        ? this.#usualLimit(timeoutMs)
        : this.#ownLimit(own ?? timeoutMs, bound)
    execution.execute(new Call(this.#calls, effective, limited, limit, handler, context))
  }

  #usualLimit(timeoutMs: number): TimeLimit {
    if (timeoutMs !== this.#deadlines.timeoutMs)
      this.#deadlines = new Deadlines(timeoutMs, this.#options.clock)
    return this.#deadlines
  }

  #ownLimit(timeoutMs: number, bound: Deadline | undefined): TimeLimit {
    const { clock } = this.#options
    return new OwnLimit(timeoutMs, bound, this.#ownDeadlines, clock, bound === undefined ? 0 : clock.now())
  }

  async #close(): Promise<void> {
    const { execution, leases } = this.#options
    await Promise.all([execution.idle(), leases.idle()])
    await this.#options.cluster.close()
    this.#destroying ??= Promise.resolve()
  }

  async #destroy(error: Error): Promise<void> {
    this.#options.execution.destroy(error)
    this.#options.leases.destroy(error)
    await this.#options.cluster.destroy(error)
  }

  /** What undici knows nothing of. */
  #checkOwn({ origin, timeoutMs, hashKey, idempotent, priority }: CallOptions): void {
    if (timeoutMs !== undefined) requireTime('timeoutMs', timeoutMs)
    if (hashKey !== undefined && typeof hashKey !== 'string') throw invalidOption('hashKey', hashKey, 'text')
    if (priority !== undefined) requireCount('priority', priority, 0, LEAST_IMPORTANT)
    // undici takes `null` for nothing.
    if (typeof (idempotent ?? false) !== 'boolean')
      throw invalidOption('idempotent', idempotent, 'true or false')
    if (origin === undefined) return
    const text = typeof origin === 'string' ? origin : origin.origin
    if (this.#origins.all.has(text)) return
    const { service } = this.#options
    // A redirect to another host ends here as well: it must not be sent to this service by mistake.
    throw new FairleadError(
      'INVALID_OPTION',
      `origin is ${JSON.stringify(text)}: a client of ${service} serves ${this.#origins.base} only, and follows no redirect elsewhere (such as to the address of an instance)`,
      { service },
    )
  }
}

/** The caller's, or the handler's own: the handlers of undici's APIs, such as `request`, are made where the call is. */
function contextOf(handler: Handler): AsyncResource {
  return handler instanceof AsyncResource ? handler : new AsyncResource('FairleadCall')
}

type Callback = (error: Error | null, value: null) => void

/** undici's two ways to hear of an end: a promise, or a callback. */
function announce(end: Promise<void>, callback: Callback | undefined): Promise<void> | undefined {
  if (callback === undefined) return end
  const call = (error: Error | null): void => queueMicrotask(() => callback(error, null))
  end.then(() => call(null), call)
  return undefined
}

function checkCallback(callback: unknown): void {
  if (callback !== undefined && typeof callback !== 'function') {
    throw new errors.InvalidArgumentError('invalid callback')
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}
