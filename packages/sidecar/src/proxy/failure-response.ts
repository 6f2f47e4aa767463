import { FairleadError } from '@fairlead/sdk'
import { BrokenRequest } from '../inbound/broken-request.js'
import { badRequest, ownError, type ErrorResponse } from '../inbound/error-response.js'
import { inOurSettings } from '../config/setting-names.js'

/** The error response for an error. Pure. */
export function errorResponse(error: Error, service: string | undefined): ErrorResponse {
  const message = inOurSettings(error.message)
  if (error instanceof BrokenRequest) return { ...error.answer, service }
  if (error instanceof FairleadError) {
    return ownError(error.code === 'INVALID_OPTION' ? 'BAD_REQUEST' : error.code, message, service)
  }
  // undici rejects what cannot be sent to any instance: an invalid path or header.
  const rejected = /^UND_ERR_(?:INVALID_ARG|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH)$/
  if (rejected.test(String((error as { code?: unknown }).code))) return badRequest(message, service)
  return ownError('INTERNAL', message, service)
}
