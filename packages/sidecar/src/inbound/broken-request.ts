import { ownError, type ErrorResponse } from './error-response.js'

/** A request with an invalid body, or one that did not come in time; `answer` is its response. */
export class BrokenRequest extends Error {
  readonly answer: ErrorResponse

  constructor(answer: ErrorResponse) {
    super(answer.message)
    this.name = 'BrokenRequest'
    this.answer = answer
  }
}

/** node:http's error for bytes that are not a request. */
export interface ParseError extends Error {
  readonly code?: string
  readonly reason?: string
  readonly rawPacket?: Buffer
}

/** Is it about what was received? Otherwise it is about the connection, which has failed. */
export function isAboutRequest(error: ParseError): boolean {
  return error.code?.startsWith('HPE_') === true || isTimeout(error)
}

/** A timeout, of node:http or ours. */
export function isTimeout({ code }: ParseError): boolean {
  return code === 'ERR_HTTP_REQUEST_TIMEOUT'
}

/** The preface of HTTP/2 (RFC 9113, 3.4), which llhttp recognizes and rejects. */
export function isHttp2({ code }: ParseError): boolean {
  return code === 'HPE_PAUSED_H2_UPGRADE'
}

// RFC 8446, 5.1: a record of a handshake begins with 22, and a request never does.
const TLS_HANDSHAKE = 22

/** The response to such an error. Pure. */
export function brokenAnswer(error: ParseError, maxHeaderSize: number): ErrorResponse {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return ownError(
        'HEADERS_TOO_LARGE',
        `its target and header fields, or its trailers, are larger than ${maxHeaderSize} bytes: raise the limit by NODE_OPTIONS=--max-http-header-size=<bytes>`,
      )
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return ownError('CONTENT_TOO_LARGE', 'its chunk extensions are larger than 16384 bytes')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ownError('REQUEST_TIMEOUT', 'it did not arrive in time')
    case 'HPE_PAUSED_H2_UPGRADE':
      return ownError('HTTP_VERSION_NOT_SUPPORTED', NO_HTTP2)
    default:
      return ownError(
        'BAD_REQUEST',
        error.rawPacket?.[0] === TLS_HANDSHAKE
          ? 'it is a TLS handshake, and this port speaks plain HTTP: use http:// instead of https://'
          : `it is not HTTP/1.1: ${error.reason ?? error.message}`,
      )
  }
}

export const NO_HTTP2 = 'HTTP/2 is not supported: use HTTP/1.1'
