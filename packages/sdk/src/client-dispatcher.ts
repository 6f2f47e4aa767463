import { Dispatcher } from 'undici'
import { Call, type CallOptions } from './call.js'
import type { Clock } from './clock.js'
import type { Cluster } from './cluster/cluster.js'
import type { ServerPolicy } from './discovery/server-policy.js'
import { FairleadError } from './errors.js'
import { clientClosed, type Execution } from './execute.js'
import { toHandler } from './handler.js'
import { Deadlines } from './resilience/deadline.js'

export interface ClientDispatcherOptions {
  readonly service: string
  readonly cluster: Cluster
  readonly execution: Execution
  /** What a request is given by default, in milliseconds, under what the registry asks for. */
  readonly timeoutMs: (policy: ServerPolicy | undefined) => number
  readonly clock: Clock
}

/** The door: an undici Dispatcher with every policy behind it. */
export class ClientDispatcher extends Dispatcher {
  readonly #options: ClientDispatcherOptions
  #deadlines: Deadlines
  /** How a caller may spell the service as an origin. */
  readonly #origins: ReadonlySet<string>
  #closed = false
  #closing: Promise<void> | undefined

  constructor(options: ClientDispatcherOptions) {
    super()
    this.#options = options
    this.#deadlines = new Deadlines(options.timeoutMs(undefined), options.clock)
    const host = options.service.toLowerCase()
    this.#origins = new Set([`http://${host}`, `http://${host}.service.consul`])
  }

  /**
   * Sends a request to an endpoint of the service. Never throws: what is wrong reaches the handler.
   * An `origin`, as `fetch` gives it, must be the service's own, `http://<service>`.
   */
  override dispatch(options: CallOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { service, execution, clock } = this.#options
    const own = toHandler(handler)
    const refusal = this.#closed ? clientClosed(service) : this.#refusal(options)
    if (refusal !== undefined) {
      own.onError(refusal)
      return false
    }
    const usual = this.#usualDeadlines()
    // undici's limit for heads stands behind the client's own deadline, not behind another one.
    const limited = options.timeoutMs === undefined && usual ? options : { headersTimeout: 0, ...options }
    const deadlines =
      options.timeoutMs === undefined ? this.#deadlines : new Deadlines(options.timeoutMs, clock)
    execution.execute(new Call(service, limited, deadlines, own, clock, execution))
    return true
  }

  /** Takes no more requests, lets those in flight finish, then closes all connections. */
  override close(): Promise<void>
  override close(callback: () => void): void
  override close(callback?: () => void): Promise<void> | undefined {
    this.#closing ??= this.#close()
    return announce(this.#closing, callback)
  }

  /** Breaks off what is in flight. */
  override destroy(error?: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(first?: Error | null | (() => void), second?: () => void): Promise<void> | undefined {
    const error = typeof first === 'function' ? undefined : first
    return announce(this.#destroy(error ?? undefined), typeof first === 'function' ? first : second)
  }

  /** Keeps the deadlines to what the registry asks for. Returns whether it asks for nothing else than usual. */
  #usualDeadlines(): boolean {
    const { cluster, timeoutMs, clock } = this.#options
    const wanted = timeoutMs(cluster.policy)
    if (wanted !== this.#deadlines.timeoutMs) this.#deadlines = new Deadlines(wanted, clock)
    return wanted === timeoutMs(undefined)
  }

  async #close(): Promise<void> {
    this.#closed = true
    await this.#options.execution.idle()
    await this.#options.cluster.close()
  }

  async #destroy(error = clientClosed(this.#options.service) as Error): Promise<void> {
    this.#closed = true
    await this.#options.cluster.destroy(error)
  }

  #refusal({ origin, timeoutMs = 1 }: CallOptions): FairleadError | undefined {
    if (!(timeoutMs > 0)) {
      return new FairleadError('INVALID_OPTION', `timeoutMs is ${timeoutMs}: it must be milliseconds above 0`)
    }
    if (origin === undefined) return undefined
    const text = typeof origin === 'string' ? origin : origin.origin
    if (this.#origins.has(text)) return undefined
    const { service } = this.#options
    // A redirect to another host ends here as well: it must not be sent to this service by mistake.
    return new FairleadError(
      'INVALID_OPTION',
      `origin is ${JSON.stringify(text)}: a client of ${service} serves http://${service.toLowerCase()} only`,
      { service },
    )
  }
}

/** undici's two ways to hear of an end: a promise, or a callback. */
function announce(end: Promise<void>, callback: (() => void) | undefined): Promise<void> | undefined {
  if (callback === undefined) return end
  void end.then(callback)
  return undefined
}
