/**
 * Every failure of Fairlead itself; a response of any status is not one. Of each member the first paragraph says what it
 * means and the second what to do: docs/errors.md is made of them.
 */
export type FairleadErrorCode =
  /**
   * There is no endpoint to send the request to: discovery has not answered within the time limit, or what it lists holds
   * no instance that may take this request. The message says which, and why each instance is excluded.
   *
   * Check the spelling of the service's name, its health checks (`inspect().excluded` has the reason for each instance),
   * and that the Consul agent can be reached. A request that is not idempotent is not sent to retained endpoints. Where
   * `errors` is empty nothing was sent, and any request may be made again.
   */
  | 'NO_ENDPOINTS'
  /**
   * Endpoints are listed, but all of them are unavailable by client-side health (their circuits are open, or they are
   * ejected), and `panicThreshold` is 0 or panic does not apply.
   *
   * Look at `availability` and `failures` of the endpoints in `inspect()`: the instances answer with 5xx or not at all.
   * Where `errors` is empty nothing was sent. With a `panicThreshold` above 0, the default, requests are sent to them all
   * the same.
   */
  | 'UNAVAILABLE'
  /**
   * No response head within `timeoutMs`, or by the deadline that the request was made within (`deadlines()`,
   * `withDeadline`): the message says which. The wait for discovery and all attempts are included. `endpoint` is the last one
   * tried; undefined: nothing was sent. `errors` has what came of the attempts before. Of a registration: not done within
   * the time limit of the call.
   *
   * Look at the latency of that instance, then at `timeoutMs`, or at how much time the caller gave. The request may have been carried out: make it again only
   * where that does no harm.
   */
  | 'DEADLINE_EXCEEDED'
  /**
   * An attempt failed before the head of a response, and the request is not retried: its attempts or the retry budget are
   * used up, or it may have been carried out and is not idempotent, or its body cannot be sent again. `errors` has one
   * error for each attempt.
   *
   * Look at the instance that the message names. Where the request can safely be sent twice, say so with
   * `idempotent: true`.
   */
  | 'ATTEMPTS_EXHAUSTED'
  /**
   * This side is at a limit: `admission` lets no more requests through, the machine has no file descriptor, port or memory
   * left for a connection, or the sidecar was asked for more services than `--max-services`; the message says which. It says
   * nothing about the endpoint, and the last attempt was not sent.
   *
   * Send less, or look at `admission` in `inspect()`; at the limits of this process (`ulimit -n`, ephemeral ports); or for
   * the source of so many names of services. It is not retried, as that would be more of what is too much.
   */
  | 'OVERLOADED'
  /**
   * The client was closed before the request was made, or `close()` reached its time limit with the request in flight. Of a
   * registration: it has ended.
   *
   * Close clients after the last request: stop taking work first, then close.
   */
  | 'CLIENT_CLOSED'
  /**
   * An option, or an argument of a call, cannot be used. The message names it, the value, and what it should be.
   *
   * Change the program or its configuration. It is the only code that carries a stack.
   */
  | 'INVALID_OPTION'

/** What a {@link FairleadError} says besides its code and message. */
export interface FairleadErrorDetails {
  /** The Consul service the call was for. */
  readonly service?: string | undefined
  /** `host:port` of the last endpoint tried. */
  readonly endpoint?: string | undefined
  /** One error for each attempt, in order. */
  readonly errors?: readonly Error[] | undefined
  /** The error below it, as in every `Error`: that of the last attempt, or the caller's own. */
  readonly cause?: unknown
}

// A registered symbol, so that two copies of this package in one process agree on what is a FairleadError.
const brand = Symbol.for('fairlead.error')

/**
 * The one error class of Fairlead; `code` says which failure it is and stays stable across versions.
 * Expected failures carry no stack: it would point into this library and costs microseconds under load.
 *
 * @example
 * ```ts
 * import { createClient, FairleadError } from '@fairlead/sdk'
 *
 * const orders = createClient('orders')
 * try {
 *   await orders.request({ path: '/v1/orders/42' })
 * } catch (error) {
 *   if (error instanceof FairleadError && error.code === 'NO_ENDPOINTS') console.error(error.message)
 *   else throw error
 * }
 * ```
 */
export class FairleadError extends Error {
  /** Always `FairleadError`. */
  override readonly name: string = 'FairleadError'
  /** Which failure it is; stable across versions. */
  readonly code: FairleadErrorCode
  /** The Consul service that the call was for; undefined: the failure concerns no service. */
  readonly service: string | undefined
  /** `host:port` of the last endpoint tried; undefined: no attempt was made. */
  readonly endpoint: string | undefined
  /** One error for each failed attempt, in order; empty where no attempt was made. */
  readonly errors: readonly Error[]

  constructor(code: FairleadErrorCode, message: string, details: FairleadErrorDetails = {}) {
    const limit = Error.stackTraceLimit
    // A programming mistake keeps its stack; an operational failure has nothing to show there.
    if (code !== 'INVALID_OPTION') Error.stackTraceLimit = 0
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    Error.stackTraceLimit = limit
    this.code = code
    this.service = details.service
    this.endpoint = details.endpoint
    this.errors = details.errors ?? []
    Object.defineProperty(this, brand, { value: true })
  }

  /** For `JSON.stringify`, which drops the message of an Error. */
  toJSON(): object {
    const { name, code, message, service, endpoint } = this
    return { name, code, message, service, endpoint, errors: this.errors.map(reasonOf) }
  }

  /** Also true for an error of another copy of this package in the process. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }
}

/** What was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown })
}

/** The shortest text that tells an operator what went wrong: a code where there is one, else the message. */
export function reasonOf(error: Error): string {
  const { code } = error as { code?: unknown }
  if (error.message === '') return typeof code === 'string' ? code : error.name
  return typeof code === 'string' && !error.message.includes(code)
    ? `${code}: ${error.message}`
    : error.message
}
