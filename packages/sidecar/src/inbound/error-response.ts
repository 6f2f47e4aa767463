import { ERROR_CODES, type ErrorCode } from '../error-codes.js'

/** A failure of the proxy, told apart from the application's by the header `x-fairlead-error`. */
export interface ErrorResponse {
  readonly status: number
  readonly code: ErrorCode
  readonly message: string
  readonly service: string | undefined
}

/** An answer of the proxy itself; its status is that of the code. Pure. */
export function ownError(code: ErrorCode, message: string, service?: string): ErrorResponse {
  return { status: ERROR_CODES[code].status, code, message, service }
}

export function badRequest(message: string, service: string | undefined): ErrorResponse {
  return ownError('BAD_REQUEST', `the request cannot be sent on: ${message}`, service)
}

/** RFC 9110, 15.5.20: for a host that we do not speak for. */
export function misdirectedRequest(message: string): ErrorResponse {
  return ownError('MISDIRECTED_REQUEST', message)
}
