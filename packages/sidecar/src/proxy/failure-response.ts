import { FairleadError, type FairleadErrorCode } from '@fairlead/sdk'
import { BrokenRequest } from '../inbound/broken-request.js'
import { badRequest, type ErrorResponse } from '../inbound/error-response.js'

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
