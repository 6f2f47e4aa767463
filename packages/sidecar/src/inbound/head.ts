import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { ErrorCode } from '../error-codes.js'
import { ownError, type ErrorResponse } from './error-response.js'

/** A request after which nothing on its connection is a request. */
export interface LastRequest {
  /** What it is answered with; undefined: it is served. */
  readonly rejection: ErrorResponse | undefined
}

/**
 * Whether a head is one after which we cannot be sure, or as sure as whoever stands before us, where the next request
 * begins. Undefined for nearly all of them, so that what is looked at is what node:http has at hand. Pure.
 */
export function lastByHead(request: IncomingMessage): LastRequest | undefined {
  const { headers } = request
  const { host } = headers
  // llhttp takes 0.9 and 2.0 as well, with a head as of 1.1.
  if (request.httpVersionMajor !== 1) return rejected('HTTP_VERSION_NOT_SUPPORTED', VERSION)
  const { method = '' } = request
  if (OF_OTHER_PROTOCOLS.has(method) || (request.httpVersionMinor === 0 && headers['cseq'] !== undefined)) {
    return rejected('HTTP_VERSION_NOT_SUPPORTED', `${method} is of RTSP or ICE: ${VERSION}`)
  }
  if (host === undefined) {
    // RFC 9112, 3.2.
    if (request.httpVersionMinor > 0) return rejected('BAD_REQUEST', 'it has no Host header')
  } else if (host.includes(',')) {
    // Two of them: the server is told to join what is repeated, as a comma is in no name of a service or host.
    return rejected('BAD_REQUEST', `it must have one Host header, and has ${quoted(host)}`)
  }
  const length = headers['content-length']
  // llhttp counts to 2^64, and who counts in another type may find another end. No body is as long as that.
  if (length !== undefined && Number(length) > Number.MAX_SAFE_INTEGER) {
    return rejected('BAD_REQUEST', `Content-Length ${quoted(length)} is more than any body has`)
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined) {
    const last = lastByCoding(coding, request)
    if (last !== undefined) return last
  }
  if (headers.upgrade !== undefined) return lastByUpgrade(headers.upgrade, headers)
  // RFC 9112, 9.3: close comes first. llhttp has HTTP/1.0 go on where keep-alive stands beside it.
  return request.httpVersionMinor === 0 && /(?:^|,)\s*close\s*(?:,|$)/i.test(headers.connection ?? '')
    ? SERVED
    : undefined
}

/** What CONNECT is answered with. */
export function connectRejection(target: string | undefined): ErrorResponse {
  return ownError(
    'NOT_IMPLEMENTED',
    `CONNECT ${quoted(target ?? '')} is not supported: requests are balanced one by one, which takes plain HTTP here, such as "GET http://orders/"`,
  )
}

/** What an `Expect` other than `100-continue` is answered with. RFC 9110, 10.1.1. */
export const EXPECTATION_FAILED: ErrorResponse = ownError(
  'EXPECTATION_FAILED',
  'the only expectation that is supported is "Expect: 100-continue"',
)

/** Is `100-continue` all that is expected? Repeated it is joined. */
export function awaitsContinueOnly({ headers }: IncomingMessage): boolean {
  return /^100-continue(?:[ \t]*,[ \t]*100-continue)*$/i.test(headers.expect ?? '')
}

/**
 * llhttp reads RTSP and Icecast's ICE as well, and does not say that it did: `OPTIONS * RTSP/1.0` looks as if it were
 * HTTP/1.0. What tells them are the methods that only they have, and CSeq, which each request of RTSP must have
 * (RFC 2326, 12.17) and none of HTTP has.
 */
const OF_OTHER_PROTOCOLS: ReadonlySet<string> = new Set([
  ...['DESCRIBE', 'ANNOUNCE', 'SETUP', 'PLAY', 'PAUSE', 'TEARDOWN'],
  ...['GET_PARAMETER', 'SET_PARAMETER', 'REDIRECT', 'RECORD', 'FLUSH', 'SOURCE'],
])

const VERSION = 'the only versions that are supported are HTTP/1.1 and HTTP/1.0'

/**
 * `chunked` alone is what instances are sent in turn. What else there is would have to be decoded here or be taken for
 * what it is by every instance; stripped, the body would be other than it says. RFC 9112, 6.1.
 */
function lastByCoding(coding: string, request: IncomingMessage): LastRequest | undefined {
  if (request.httpVersionMinor === 0) {
    // Whoever speaks 1.0 may have passed it on without knowing it, and then the body ends elsewhere.
    return rejected('BAD_REQUEST', 'HTTP/1.0 knows no Transfer-Encoding')
  }
  if (coding === 'chunked' || coding.toLowerCase() === 'chunked') return undefined
  return rejected(
    'NOT_IMPLEMENTED',
    `Transfer-Encoding ${quoted(coding)} is not supported: send "chunked" alone, and name what the content is coded with in Content-Encoding`,
  )
}

/**
 * llhttp reads what follows such a request as another protocol, and node:http drops what has come of it in the same
 * segment: the body of a request there would be taken for the next one.
 */
function lastByUpgrade(upgrade: string, { connection }: IncomingHttpHeaders): LastRequest {
  // RFC 9110, 7.8: without the option in Connection, it was meant for whoever came before us. And an upgrade may be
  // ignored: h2c is what Java's client offers with each of its requests, and it takes HTTP/1.1 for an answer.
  const asked = connection !== undefined && /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(connection)
  if (!asked || upgrade.trim().toLowerCase() === 'h2c') return SERVED
  return rejected(
    'NOT_IMPLEMENTED',
    `Upgrade to ${quoted(upgrade)} is not supported: connect to an instance itself, as of /endpoints of the admin port`,
  )
}

const SERVED: LastRequest = { rejection: undefined }

function rejected(code: ErrorCode, message: string): LastRequest {
  return { rejection: ownError(code, message) }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}
