import { SERVICE_HEADER } from './route.js'

// RFC 9110, 7.6.1, and the older ones of RFC 2616, 13.5.1: they speak of one connection, not of the message.
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * How many sidecars a request has come through. Its own header, as Linkerd and the CDNs (RFC 8586) have theirs, and not
 * `Via`: that turns compression off in some servers, such as nginx.
 */
export const HOPS_HEADER = 'fairlead-hops'

/** Headers as they came, name and value in turn. */
type RawHeaders = readonly string[]

/**
 * The headers to send on, in their order and spelling, repeated ones kept apart. Pure.
 * Without what is for this hop only: the hop-by-hop headers, those that `Connection` names, `Expect` (answered
 * here with 100 Continue) and our own. Host is `host`; `hops` is what the request has come through, with this one.
 */
export function forwardedRequestHeaders(
  raw: RawHeaders,
  connection: string | undefined,
  host: string,
  hops: number,
): string[] {
  const names = namedBy(connection)
  // A set, as a head may have thousands of headers, and name them all.
  const named = names && new Set(names)
  const forwarded = ['host', host, HOPS_HEADER, String(hops)]
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'host' || lower === 'expect' || lower === SERVICE_HEADER || lower === HOPS_HEADER) continue
    if (HOP_BY_HOP.has(lower) || named?.has(lower) === true) continue
    forwarded.push(name, raw[index + 1] ?? '')
  }
  return forwarded
}

export interface ResponseHeaders {
  readonly headers: string[]
  /** Content-Length, or NaN where the body says itself where it ends. */
  readonly length: number
}

/** The headers to answer with. Pure. */
export function forwardedResponseHeaders(raw: readonly Buffer[], statusCode: number): ResponseHeaders {
  const forwarded: string[] = []
  let length = NaN
  let named: readonly string[] | undefined
  for (let index = 0; index + 1 < raw.length; index += 2) {
    // HTTP's own encoding: a byte a character, so that nothing is lost on the way through.
    const name = raw[index]?.toString('latin1') ?? ''
    const value = raw[index + 1]?.toString('latin1') ?? ''
    const lower = name.toLowerCase()
    if (lower === 'connection') named = joined(named, namedBy(value))
    else if (lower === 'content-length') {
      length = Number(value)
      // RFC 9110, 8.6: not with a 204, whatever the instance says; the next one to read it might wait for a body.
      if (statusCode === 204) continue
    }
    if (!HOP_BY_HOP.has(lower)) forwarded.push(name, value)
  }
  return { headers: named === undefined ? forwarded : without(forwarded, named), length }
}

// RFC 9110, 6.5.1, and the list of RFC 7230, 4.1.2: what frames, routes, controls, authenticates or says how to read the
// content must not come behind it, where a recipient that merges trailers into the head would be led by it.
const NO_TRAILER: ReadonlySet<string> = new Set([
  ...['content-length', 'host', 'content-encoding', 'content-type', 'content-range', 'content-location'],
  ...['age', 'cache-control', 'date', 'expires', 'location', 'pragma', 'retry-after', 'vary', 'warning'],
  ...['expect', 'max-forwards', 'range', 'if-match', 'if-none-match', 'if-range'],
  ...[
    'if-modified-since',
    'if-unmodified-since',
    'authorization',
    'www-authenticate',
    'cookie',
    'set-cookie',
  ],
  ...['authentication-info', 'proxy-authentication-info'],
])

/** The trailers to end with, name and value in turn. Pure. */
export function forwardedTrailers(raw: readonly Buffer[]): string[] {
  const { headers } = forwardedResponseHeaders(raw, 200)
  return headers.filter((_, index) => !NO_TRAILER.has((headers[index & ~1] ?? '').toLowerCase()))
}

/** What a Connection header names besides the usual; undefined where there is nothing to take out. */
function namedBy(connection: string | undefined): readonly string[] | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  const names = connection.split(',').map((name) => name.trim().toLowerCase())
  // Framing is not the other side's to take out.
  return names.filter((name) => name !== 'content-length' && name !== 'host')
}

/** A message may have several Connection headers, and they all count. */
function joined(
  before: readonly string[] | undefined,
  more: readonly string[] | undefined,
): readonly string[] | undefined {
  return before === undefined || more === undefined ? (before ?? more) : [...before, ...more]
}

function without(headers: RawHeaders, named: readonly string[]): string[] {
  const names = new Set(named)
  return headers.filter((_, index) => !names.has((headers[index & ~1] ?? '').toLowerCase()))
}
