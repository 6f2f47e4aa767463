import type { FairleadErrorCode } from '@fairlead/sdk'

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

export function badRequest(message: string, service: string | undefined): ErrorResponse {
  return { status: 400, code: 'BAD_REQUEST', message: `the request cannot be sent on: ${message}`, service }
}

/** RFC 9110, 15.5.20: for a host that we do not speak for. */
export function misdirectedRequest(message: string): ErrorResponse {
  return { status: 421, code: 'MISDIRECTED_REQUEST', message, service: undefined }
}
