import { FairleadError } from '@fairlead/sdk'
import { BrokenRequest } from '../inbound/broken-request.js'
import { badRequest, ownError, type ErrorResponse } from '../inbound/error-response.js'

/** What to answer for an error. Pure. */
export function errorResponse(error: Error, service: string | undefined): ErrorResponse {
  const { message } = error
  if (error instanceof BrokenRequest) return { ...error.answer, service }
  if (error instanceof FairleadError) {
    return ownError(error.code === 'INVALID_OPTION' ? 'BAD_REQUEST' : error.code, inOurWords(error), service)
  }
  // undici refuses what cannot be sent to any instance: a path or a header that is none.
  const refused = /^UND_ERR_(?:INVALID_ARG|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH)$/
  if (refused.test(String((error as { code?: unknown }).code))) return badRequest(message, service)
  return ownError('INTERNAL', message, service)
}

/** The SDK names its option where the limit for heads was passed. */
function inOurWords({ message, cause }: FairleadError): string {
  return (cause as { code?: unknown } | undefined)?.code === 'UND_ERR_HEADERS_OVERFLOW'
    ? message.replace('option connections.maxResponseHeaderBytes', '--max-response-header-bytes')
    : message
}
