import { FairleadError, type FairleadErrorCode } from '@fairlead/sdk'
import { BrokenRequest } from '../inbound/broken-request.js'

/** What is wrong with what the application sent, before any service is asked for. */
type RequestErrorCode =
  | 'BAD_REQUEST'
  | 'REQUEST_TIMEOUT'
  | 'CONTENT_TOO_LARGE'
  | 'EXPECTATION_FAILED'
  | 'MISDIRECTED_REQUEST'
  | 'HEADERS_TOO_LARGE'
  | 'NOT_IMPLEMENTED'
  | 'LOOP_DETECTED'
  | 'HTTP_VERSION_NOT_SUPPORTED'

/** A failure of the proxy, told apart from the application's by the header `x-fairlead-error`. */
export interface ErrorResponse {
  readonly status: number
  readonly code: FairleadErrorCode | RequestErrorCode | 'INTERNAL'
  readonly message: string
  readonly service: string | undefined
}

const STATUS: Readonly<Record<FairleadErrorCode, number>> = {
  NO_ENDPOINTS: 503,
  CIRCUIT_OPEN: 503,
  OVERLOADED: 503,
  CLIENT_CLOSED: 503,
  DEADLINE_EXCEEDED: 504,
  ATTEMPTS_EXHAUSTED: 502,
  INVALID_OPTION: 400,
}

/** What to answer for an error. Pure. */
export function errorResponse(error: Error, service: string | undefined): ErrorResponse {
  const { message } = error
  if (error instanceof BrokenRequest) return { ...error.answer, service }
  if (error instanceof FairleadError) {
    const code = error.code === 'INVALID_OPTION' ? 'BAD_REQUEST' : error.code
    return { status: STATUS[error.code], code, message, service }
  }
  // undici refuses what cannot be sent to any instance: a path or a header that is none.
  const refused = /^UND_ERR_(?:INVALID_ARG|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH)$/
  if (refused.test(String((error as { code?: unknown }).code))) return badRequest(message, service)
  return { status: 500, code: 'INTERNAL', message, service }
}

export function badRequest(message: string, service: string | undefined): ErrorResponse {
  return { status: 400, code: 'BAD_REQUEST', message: `the request cannot be sent on: ${message}`, service }
}

/** RFC 9110, 15.5.20: for a host that we do not speak for. */
export function misdirectedRequest(message: string): ErrorResponse {
  return { status: 421, code: 'MISDIRECTED_REQUEST', message, service: undefined }
}
