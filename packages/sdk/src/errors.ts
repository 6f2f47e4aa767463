/** Every way in which Fairlead itself rejects or fails a call; a response with any status is not among them. */
export type FairleadErrorCode =
  | 'NO_ENDPOINTS'
  | 'CIRCUIT_OPEN'
  | 'DEADLINE_EXCEEDED'
  | 'ATTEMPTS_EXHAUSTED'
  | 'OVERLOADED'
  | 'CLIENT_CLOSED'
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
 * await using orders = createClient('orders')
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
