import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { ErrorCode } from '../error-codes.js'
import { ownError, type ErrorResponse } from './error-response.js'

/** The last request of its connection. */
export interface LastRequest {
  /** Its response; undefined: it is served. */
  readonly rejection: ErrorResponse | undefined
}

/**
 * Recognizes a head after which it is not certain, for us or for a proxy before us, where the next request begins.
 * Undefined for nearly all heads, so it reads only what node:http has parsed already. Pure.
 */
export function lastByHead(request: IncomingMessage): LastRequest | undefined {
  const { headers } = request
  const { host } = headers
  // llhttp accepts 0.9 and 2.0 too, with a head of 1.1.
  if (request.httpVersionMajor !== 1) return rejected('HTTP_VERSION_NOT_SUPPORTED', VERSION)
  const { method = '' } = request
  if (OF_OTHER_PROTOCOLS.has(method) || (request.httpVersionMinor === 0 && headers['cseq'] !== undefined)) {
    return rejected('HTTP_VERSION_NOT_SUPPORTED', `${method} is of RTSP or ICE: ${VERSION}`)
  }
  if (host === undefined) {
    // RFC 9112, 3.2.
    if (request.httpVersionMinor > 0) return rejected('BAD_REQUEST', 'it has no Host header')
  } else if (host.includes(',')) {
    // Two Host headers: the server joins repeated ones, and names of services and hosts have no comma.
    return rejected('BAD_REQUEST', `it must have one Host header, and has ${quoted(host)}`)
  }
  const length = headers['content-length']
  // llhttp counts to 2^64, and a parser with another number type may find another end. No body is that long.
  if (length !== undefined && Number(length) > Number.MAX_SAFE_INTEGER) {
    return rejected('BAD_REQUEST', `Content-Length ${quoted(length)} is larger than any body`)
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined) {
    const last = lastByCoding(coding, request)
    if (last !== undefined) return last
  }
  if (headers.upgrade !== undefined) return lastByUpgrade(headers.upgrade, headers)
  // RFC 9112, 9.3: close takes precedence. llhttp keeps HTTP/1.0 alive where keep-alive is named as well.
  return request.httpVersionMinor === 0 && /(?:^|,)\s*close\s*(?:,|$)/i.test(headers.connection ?? '')
    ? SERVED
    : undefined
}

/** The response to CONNECT. */
export function connectRejection(target: string | undefined): ErrorResponse {
  return ownError(
    'NOT_IMPLEMENTED',
    `CONNECT ${quoted(target ?? '')} is not supported: requests are balanced individually, which needs plain HTTP, such as "GET http://orders/"`,
  )
}

/** The response to an `Expect` other than `100-continue`. RFC 9110, 10.1.1. */
export const EXPECTATION_FAILED: ErrorResponse = ownError(
  'EXPECTATION_FAILED',
  'the only expectation that is supported is "Expect: 100-continue"',
)

/** Is `100-continue` the only expectation? Repeated headers are joined. */
export function awaitsContinueOnly({ headers }: IncomingMessage): boolean {
  return /^100-continue(?:[ \t]*,[ \t]*100-continue)*$/i.test(headers.expect ?? '')
}

/**
 * llhttp parses RTSP and Icecast's ICE too, without reporting it: `OPTIONS * RTSP/1.0` looks like HTTP/1.0. They are
 * recognized by the methods that only they have, and by CSeq, which is required in RTSP (RFC 2326, 12.17) and unknown in
 * HTTP.
 */
const OF_OTHER_PROTOCOLS: ReadonlySet<string> = new Set([
  ...['DESCRIBE', 'ANNOUNCE', 'SETUP', 'PLAY', 'PAUSE', 'TEARDOWN'],
  ...['GET_PARAMETER', 'SET_PARAMETER', 'REDIRECT', 'RECORD', 'FLUSH', 'SOURCE'],
])

const VERSION = 'the only versions that are supported are HTTP/1.1 and HTTP/1.0'

/**
 * `chunked` alone is what we send to instances. Any other coding would have to be decoded here, or supported by every
 * instance; stripped of its header, the body would not be what it claims to be. RFC 9112, 6.1.
 */
function lastByCoding(coding: string, request: IncomingMessage): LastRequest | undefined {
  if (request.httpVersionMinor === 0) {
    // A 1.0 proxy may have forwarded it without understanding it, and then the body ends elsewhere.
    return rejected('BAD_REQUEST', 'HTTP/1.0 does not have Transfer-Encoding')
  }
  if (coding === 'chunked' || coding.toLowerCase() === 'chunked') return undefined
  return rejected(
    'NOT_IMPLEMENTED',
    `Transfer-Encoding ${quoted(coding)} is not supported: send "chunked" alone, and name what the content is coded with in Content-Encoding`,
  )
}

/**
 * llhttp treats what follows such a request as another protocol, and node:http drops the part in the same segment: the
 * body of such a request would be taken for the next request.
 */
function lastByUpgrade(upgrade: string, { connection }: IncomingHttpHeaders): LastRequest {
  // RFC 9110, 7.8: without the option in Connection, it was meant for the hop before us. And an upgrade may be ignored:
  // Java's client offers h2c with each request, and accepts HTTP/1.1.
  const requested = connection !== undefined && /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(connection)
  if (!requested || upgrade.trim().toLowerCase() === 'h2c') return SERVED
  return rejected(
    'NOT_IMPLEMENTED',
    `Upgrade to ${quoted(upgrade)} is not supported: connect to an instance directly; /endpoints of the admin port lists them`,
  )
}

const SERVED: LastRequest = { rejection: undefined }

function rejected(code: ErrorCode, message: string): LastRequest {
  return { rejection: ownError(code, message) }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}
