import { constants, type OutgoingHttpHeaders } from 'node:http2'
import { errors, type Dispatcher } from 'undici'

/** The head of a request, as HTTP/2 has it. */
export interface Http2RequestHead {
  /** Pseudo-headers first, names in lower case. */
  readonly fields: Record<string, string>
  /** What the caller says that its body is long, in bytes; undefined: nothing. */
  readonly contentLength: number | undefined
}

const { HTTP2_HEADER_METHOD, HTTP2_HEADER_SCHEME, HTTP2_HEADER_AUTHORITY, HTTP2_HEADER_PATH } = constants

/** RFC 9113, 8.2.2: what speaks of one connection of HTTP/1.1 must not be sent on. */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** RFC 9110, 5.6.2, in lower case. */
const TOKEN = /^[\^_`a-z\-0-9!#$%&'*+.|~]+$/
/** RFC 9110, 5.5. node:http2 looks at no value. */
const NOT_IN_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/**
 * What node:http2 can send, of headers in any shape that undici takes.
 *
 * @param origin Of the endpoint: who is asked where the request names no `Host`.
 * @throws InvalidArgumentError, NotSupportedError: as undici, for a header that cannot be sent.
 */
export function http2RequestHead(
  { method, path, headers }: Dispatcher.DispatchOptions,
  origin: string,
): Http2RequestHead {
  const url = new URL(path.startsWith('/') ? origin : path)
  // Of no prototype: `constructor` is a name like any other.
  const fields = Object.create(null) as Record<string, string>
  fields[HTTP2_HEADER_METHOD] = method
  fields[HTTP2_HEADER_SCHEME] = new URL(origin).protocol.slice(0, -1)
  fields[HTTP2_HEADER_AUTHORITY] = url.host
  // RFC 9113, 8.3.1: that of the target, also where it came in absolute form.
  fields[HTTP2_HEADER_PATH] = path.startsWith('/') ? path : `${url.pathname}${url.search}`
  let contentLength: number | undefined
  const named: string[] = []
  eachField(headers, (name, value) => {
    if (name === 'host') {
      // RFC 9113, 8.3.1: `:authority` must not be empty for http and https.
      if (value !== '') fields[HTTP2_HEADER_AUTHORITY] = value
    } else if (name === 'connection') named.push(...value.toLowerCase().split(','))
    else if (name === 'content-length') contentLength = lengthOf(value, contentLength)
    else if (name === 'expect') throw new errors.NotSupportedError('expect header not supported')
    else if (name === 'te') {
      // RFC 9113, 8.2.2: the one value that it may have.
      if (/(?:^|,)\s*trailers\s*(?:;|,|$)/i.test(value)) fields[name] = 'trailers'
    } else if (!CONNECTION_SPECIFIC.has(name)) add(fields, name, value)
  })
  // RFC 9110, 7.6.1. `te` is always named there, and by now it is what HTTP/2 wants.
  for (const each of named) {
    const name = each.trim()
    if (name !== 'te' && !name.startsWith(':')) Reflect.deleteProperty(fields, name)
  }
  return { fields, contentLength }
}

/** Names and values in turn, without the pseudo-headers: as they came off the wire. */
export function toRawHeaders(list: readonly string[]): Buffer[] {
  const raw: Buffer[] = []
  for (let index = 0; index + 1 < list.length; index += 2) {
    const name = list[index] ?? ''
    if (name.startsWith(':')) continue
    raw.push(Buffer.from(name, 'latin1'), Buffer.from(list[index + 1] ?? '', 'latin1'))
  }
  return raw
}

/** As llhttp counts a head: the bytes of names and values. */
export function sizeOf(raw: readonly Buffer[]): number {
  let size = 0
  for (const each of raw) size += each.length
  return size
}

/** What limits the size of a head that is sent, in bytes. */
export interface HeadLimits {
  /** SETTINGS_MAX_HEADER_LIST_SIZE of the endpoint; undefined: it has set none. */
  readonly maxHeaderListSize?: number | undefined
}

// NGHTTP2_MAX_HEADERSLEN, which node leaves as it is: what may be more once it is encoded, nghttp2 does not send, and node
// tells that as if the endpoint had refused the stream, and ends the session.
const MOST_ENCODED = 65_536
// nghttp2_hd_deflate_bound and session_estimate_headers_payload: 12 for changes of the table's size, 5 for a priority; and
// for each field the lengths of its two strings, at 6 bytes each.
const ENCODED_EXTRA = 17
const ENCODED_EXTRA_PER_FIELD = 12
// RFC 9113, 6.5.2.
const LISTED_EXTRA_PER_FIELD = 32

/** @throws InvalidArgumentError for a head that is larger than we can send, or than the endpoint takes. */
export function assertHeadFits(fields: Readonly<Record<string, string>>, limits: HeadLimits): void {
  let size = 0
  let count = 0
  for (const name in fields) {
    size += name.length + (fields[name] ?? '').length
    count++
  }
  const encoded = size + ENCODED_EXTRA + count * ENCODED_EXTRA_PER_FIELD
  if (encoded > MOST_ENCODED) throw tooLarge(size, `over HTTP/2 ${MOST_ENCODED} bytes are the most`)
  const { maxHeaderListSize = Infinity } = limits
  if (size + count * LISTED_EXTRA_PER_FIELD > maxHeaderListSize) {
    throw tooLarge(size, `the endpoint takes ${maxHeaderListSize} bytes (SETTINGS_MAX_HEADER_LIST_SIZE)`)
  }
}

function tooLarge(size: number, most: string): Error {
  return new errors.InvalidArgumentError(
    `the head of the request is too large: of ${size} bytes, where ${most}`,
  )
}

function add(fields: Record<string, string>, name: string, value: string): void {
  const before = fields[name]
  // RFC 9113, 8.2.3; RFC 9110, 5.3.
  fields[name] = before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ', '}${value}`
}

function lengthOf(value: string, before: number | undefined): number {
  if (before !== undefined) throw new errors.InvalidArgumentError('duplicate content-length header')
  if (!/^[0-9]+$/.test(value)) throw new errors.InvalidArgumentError('invalid content-length header')
  return Number(value)
}

type Each = (name: string, value: string) => void

function eachField(headers: Dispatcher.DispatchOptions['headers'], each: Each): void {
  if (headers === undefined || headers === null) return
  if (Array.isArray(headers)) {
    for (let index = 0; index < headers.length; index += 2)
      eachValue(headers[index], headers[index + 1], each)
  } else if (Symbol.iterator in headers) {
    for (const [name, value] of headers as Iterable<[string, unknown]>) eachValue(name, value, each)
  } else {
    for (const [name, value] of Object.entries(headers as OutgoingHttpHeaders)) eachValue(name, value, each)
  }
}

/** As undici writes a value; undefined: it is none. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return ''
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'
    ? String(value)
    : undefined
}

function eachValue(key: unknown, value: unknown, each: Each): void {
  if (value === undefined) return
  const name = String(key).toLowerCase()
  if (!TOKEN.test(name)) throw new errors.InvalidArgumentError('invalid header key')
  for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
    const text = textOf(one)
    if (text === undefined || NOT_IN_A_VALUE.test(text)) {
      throw new errors.InvalidArgumentError(`invalid ${name} header`)
    }
    each(name, isPadded(text) ? text.replace(PADDING, '') : text)
  }
}

// RFC 9113, 8.2.1: a value with white space around it is malformed; of HTTP/1.1 it was no part of the value.
const PADDING = /^[\t ]+|[\t ]+$/g

function isPadded(text: string): boolean {
  return isSpace(text.charCodeAt(0)) || isSpace(text.charCodeAt(text.length - 1))
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}
