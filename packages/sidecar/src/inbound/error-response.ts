import { ERROR_CODES, type ErrorCode } from '../error-codes.js'

/** An error response of the proxy, distinguished from an instance's by the header `x-fairlead-error`. */
export interface ErrorResponse {
  readonly status: number
  readonly code: ErrorCode
  readonly message: string
  readonly service: string | undefined
}

/** An error response with the status of its code. Pure. */
export function ownError(code: ErrorCode, message: string, service?: string): ErrorResponse {
  return { status: ERROR_CODES[code].status, code, message, service }
}

export function badRequest(message: string, service: string | undefined): ErrorResponse {
  return ownError('BAD_REQUEST', `the request cannot be forwarded: ${message}`, service)
}

/** RFC 9110, 15.5.20: for a host that is not ours. */
export function misdirectedRequest(message: string): ErrorResponse {
  return ownError('MISDIRECTED_REQUEST', message)
}
