import { SERVICE_HEADER } from './route.js'

// RFC 9110, 7.6.1, and the older ones of RFC 2616, 13.5.1: about one connection, not the message.
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
 * The number of sidecars that have forwarded a request. A header of its own, as Linkerd and CDNs (RFC 8586) have, instead
 * of `Via`, which turns compression off in some servers, such as nginx.
 */
export const HOPS_HEADER = 'fairlead-hops'

const NONE: readonly string[] = Object.freeze([])

/** Headers as received, name and value in turn. */
type RawHeaders = readonly string[]

/**
 * The headers to forward, in their order and spelling, repeated ones kept separate. Pure.
 * Without those of this hop: the hop-by-hop headers, those that `Connection` names, `Expect` (answered here with 100
 * Continue) and our own. Host is `host`; `hops` counts the sidecars so far, this one included.
 *
 * @param renewed Further ones to leave out, in lower case: they are sent with a value of now.
 */
export function forwardedRequestHeaders(
  raw: RawHeaders,
  connection: string | undefined,
  host: string,
  hops: number,
  renewed: readonly string[] = NONE,
): string[] {
  const names = namedBy(connection)
  // A set, as a head may have thousands of headers, and name all of them.
  const named = names && new Set(names)
  const forwarded = ['host', host, HOPS_HEADER, String(hops)]
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'host' || lower === 'expect' || lower === SERVICE_HEADER || lower === HOPS_HEADER) continue
    if (renewed.length > 0 && renewed.includes(lower)) continue
    if (HOP_BY_HOP.has(lower) || named?.has(lower) === true) continue
    forwarded.push(name, raw[index + 1] ?? '')
  }
  return forwarded
}

export interface ResponseHeaders {
  readonly headers: string[]
  /** Content-Length, or NaN where the body delimits itself. */
  readonly length: number
}

/** The headers of the response to the application. Pure. */
export function forwardedResponseHeaders(raw: readonly Buffer[], statusCode: number): ResponseHeaders {
  const forwarded: string[] = []
  let length = NaN
  let named: readonly string[] | undefined
  for (let index = 0; index + 1 < raw.length; index += 2) {
    // HTTP's own encoding: one byte a character, so that nothing is lost in between.
    const name = raw[index]?.toString('latin1') ?? ''
    const value = raw[index + 1]?.toString('latin1') ?? ''
    const lower = name.toLowerCase()
    if (lower === 'connection') named = joined(named, namedBy(value))
    else if (lower === 'content-length') {
      length = Number(value)
      // RFC 9110, 8.6: not with a 204, even if the instance sends it: a recipient might wait for a body.
      if (statusCode === 204) continue
    }
    if (!HOP_BY_HOP.has(lower)) forwarded.push(name, value)
  }
  return { headers: named === undefined ? forwarded : without(forwarded, named), length }
}

// RFC 9110, 6.5.1, and the list of RFC 7230, 4.1.2: fields for framing, routing, control, authentication or content
// handling must not be trailers, as a recipient that merges trailers into the head would act on them.
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

/** The trailers to forward, name and value in turn. Pure. */
export function forwardedTrailers(raw: readonly Buffer[]): string[] {
  const { headers } = forwardedResponseHeaders(raw, 200)
  return headers.filter((_, index) => !NO_TRAILER.has((headers[index & ~1] ?? '').toLowerCase()))
}

/** The headers that a Connection header names beyond the usual; undefined: none. */
function namedBy(connection: string | undefined): readonly string[] | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  const names = connection.split(',').map((name) => name.trim().toLowerCase())
  // A peer cannot have framing and Host removed.
  return names.filter((name) => name !== 'content-length' && name !== 'host')
}

/** A message may have several Connection headers, all of which apply. */
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
