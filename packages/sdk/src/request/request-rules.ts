import { Buffer } from 'node:buffer'
import { stringify } from 'node:querystring'
import { errors, type Dispatcher } from 'undici'
import { convertBody, isSendable } from './bodies.js'

/**
 * A request as it can be sent, and sent again: what can be read once only is stored, and what undici would take and
 * then fail to send becomes what it can send. The usual request is returned as it is.
 *
 * The query is made part of the path here, once: undici does so for each attempt, and a value that it cannot write (half of
 * a surrogate pair, a getter that throws) would count as a failure of each endpoint that was tried.
 *
 * Throws what undici throws for a request that it would send to no one, and for a handler that it would not call:
 * the same error, but at once. undici looks when it is handed the request, and by then an endpoint has been picked,
 * a circuit asked, a connection taken, or discovery waited for. As `lib/core/request.js` and `assertRequestHandler`
 * of undici 7, in their order; `contract/rejections.test.ts` compares the two.
 *
 * @throws InvalidArgumentError, NotSupportedError, URIError, and whatever an iterator of headers or a getter throws.
 */
export function admit<T extends Dispatcher.DispatchOptions>(options: T, handler: object): T {
  const { path, method, body, query, headers, upgrade } = options
  checkTarget(path, method)
  checkSettings(options)
  if (body !== undefined && body !== null && !isSendable(body)) {
    reject('body must be a string, a Buffer, a Readable stream, an iterable, or an async iterable')
  }
  const target = query ? { ...options, path: withQuery(path, query), query: undefined } : options
  let list: string[] | undefined
  if (isPairs(headers)) list = layOut(headers)
  else checkHeaders(headers)
  checkHandler(handler, method, upgrade)
  const lasting = list === undefined ? target : { ...target, headers: list }
  return typeof body === 'object' && body !== null && !Buffer.isBuffer(body)
    ? convertBody(lasting, body)
    : lasting
}

/** Methods that need no look at their letters. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])

const NOT_IN_A_PATH = /[^\u0021-\u00ff]/
/** RFC 9110, 5.6.2. */
const TOKEN = /^[\^_`a-zA-Z\-0-9!#$%&'*+.|~]+$/
/** RFC 9110, 5.5. */
const NOT_IN_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/

function checkTarget(path: unknown, method: unknown): void {
  if (typeof path !== 'string') reject('path must be a string')
  if (
    path.charCodeAt(0) !== 47 &&
    !(path.startsWith('http://') || path.startsWith('https://')) &&
    method !== 'CONNECT'
  ) {
    reject('path must be an absolute URL or start with a slash')
  }
  if (NOT_IN_A_PATH.test(path)) reject('invalid request path')
  if (typeof method !== 'string') reject('method must be a string')
  if (!METHODS.has(method) && !TOKEN.test(method)) reject('invalid request method')
}

/** As `serializePathWithQuery` of undici 7, lib/core/util.js. */
function withQuery(path: string, query: NonNullable<Dispatcher.DispatchOptions['query']>): string {
  if (path.includes('?') || path.includes('#')) {
    // undici's own choice of class.
    throw new Error('Query params cannot be passed when url already contains "?" or "#".')
  }
  const text = stringify(query)
  return text === '' ? path : `${path}?${text}`
}

function checkSettings(options: object): void {
  const {
    upgrade,
    headersTimeout,
    bodyTimeout,
    reset,
    expectContinue,
    throwOnError,
    maxRedirections,
    typeOfService,
  } = options as Readonly<Record<string, unknown>>
  if (upgrade && typeof upgrade !== 'string') reject('upgrade must be a string')
  if (typeof upgrade === 'string' && NOT_IN_A_VALUE.test(upgrade)) reject('invalid upgrade header')
  if (isGiven(headersTimeout) && !isDuration(headersTimeout)) reject('invalid headersTimeout')
  if (isGiven(bodyTimeout) && !isDuration(bodyTimeout)) reject('invalid bodyTimeout')
  if (isGiven(reset) && typeof reset !== 'boolean') reject('invalid reset')
  if (isGiven(expectContinue) && typeof expectContinue !== 'boolean') reject('invalid expectContinue')
  if (isGiven(throwOnError)) reject('invalid throwOnError')
  if (isGiven(maxRedirections) && maxRedirections !== 0) {
    reject('maxRedirections is not supported, use the redirect interceptor')
  }
  if (isGiven(typeOfService) && !isByte(typeOfService)) {
    reject('typeOfService must be an integer between 0 and 255')
  }
}

function checkHeaders(headers: unknown): void {
  if (headers === undefined || headers === null) return
  if (typeof headers !== 'object') reject('headers must be an object or an array')
  const single: Singles = { host: false, length: false }
  if (Array.isArray(headers)) {
    const list = headers as readonly unknown[]
    if (list.length % 2 !== 0) reject('headers array must be even')
    for (let index = 0; index < list.length; index += 2) checkHeader(list[index], list[index + 1], single)
    return
  }
  const record = headers as Readonly<Record<string, unknown>>
  for (const key of Object.keys(record)) checkHeader(key, record[key], single)
}

/** Pairs from a `Headers`, a `Map`, a generator; not an array, which undici reads as names and values in turn. */
function isPairs(headers: unknown): headers is Iterable<unknown> {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return false
  if (!(Symbol.iterator in headers)) return false
  // As undici does: an iterator that someone has put on every object is not one of headers.
  const isOwn = Object.hasOwn(headers, Symbol.iterator)
  return (
    isOwn ||
    (Object.getPrototypeOf(headers) !== Object.prototype && typeof headers[Symbol.iterator] === 'function')
  )
}

/** Pairs one after the other, checked: of an array, undici expects that. */
function layOut(pairs: Iterable<unknown>): string[] {
  const list: unknown[] = []
  const single: Singles = { host: false, length: false }
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) reject('headers must be in key-value pair format')
    checkHeader(pair[0], pair[1], single)
    list.push(pair[0], pair[1])
  }
  return list as string[]
}

/** What may be there once only, and whether it was. */
interface Singles {
  host: boolean
  length: boolean
}

function checkHeader(key: unknown, value: unknown, single: Singles): void {
  if (value === undefined) return
  if (value !== null && typeof value === 'object' && !Array.isArray(value))
    reject(`invalid ${String(key)} header`)
  const name = key as string
  const rule = mayBeKept(name) ? KEPT[name.toLowerCase()] : undefined
  if (rule === undefined && !USUAL.has(name) && !isToken(name)) reject('invalid header key')
  if (Array.isArray(value)) checkList(key, value)
  else if (value !== null && NOT_IN_A_VALUE.test(textOf(value))) reject(`invalid ${String(key)} header`)
  rule?.(value, single)
}

function checkList(key: unknown, list: readonly unknown[]): void {
  for (const each of list) {
    if (each === null) continue
    if (typeof each === 'object' || NOT_IN_A_VALUE.test(textOf(each))) reject(`invalid ${String(key)} header`)
  }
}

type Rule = (value: unknown, single: Singles) => void

const forbidden =
  (name: string): Rule =>
  () =>
    reject(`invalid ${name} header`)

/** Headers that say how a message is framed or who it is for. Without a prototype: a header may be called anything. */
const KEPT: Readonly<Record<string, Rule>> = Object.freeze({
  __proto__: null as unknown as Rule,
  host: (value, single) => {
    if (single.host) reject('duplicate host header')
    if (value !== null && typeof value === 'object') reject('invalid host header')
    single.host = true
  },
  'content-length': (value, single) => {
    if (single.length) reject('duplicate content-length header')
    if (typeof value === 'object' || !/^[0-9]+$/.test(textOf(value))) reject('invalid content-length header')
    single.length = true
  },
  'transfer-encoding': forbidden('transfer-encoding'),
  'keep-alive': forbidden('keep-alive'),
  upgrade: forbidden('upgrade'),
  connection: (value) => {
    if (value !== null && typeof value === 'object') reject('invalid connection header')
    for (const token of (value === null ? '' : textOf(value)).split(',')) {
      if (!TOKEN.test(token.trim())) reject('invalid connection header')
    }
  },
  expect: () => {
    throw new errors.NotSupportedError('expect header not supported')
  },
})

/** By what costs least: most names are none of those in `KEPT`, and need no copy in lower case. */
function mayBeKept(name: string): boolean {
  const first = name.charCodeAt(0) | 0x20
  switch (name.length) {
    case 4:
      return first === LETTER.h
    case 6:
      return first === LETTER.e
    case 7:
      return first === LETTER.u
    case 10:
      return first === LETTER.c || first === LETTER.k
    case 14:
      return first === LETTER.c
    case 17:
      return first === LETTER.t
    default:
      return false
  }
}

const LETTER = { c: 0x63, e: 0x65, h: 0x68, k: 0x6b, t: 0x74, u: 0x75 } as const

/** Names that need no look at their letters. */
const USUAL: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'cache-control',
  'content-type',
  'cookie',
  'forwarded',
  'if-none-match',
  'origin',
  'referer',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
  'Accept',
  'Accept-Encoding',
  'Authorization',
  'Content-Type',
  'User-Agent',
])

/** By a table, as undici does it. */
function isToken(name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    if (TOKEN_CODES[name.charCodeAt(index)] !== 1) return false
  }
  return name.length > 0
}

const TOKEN_CODES = Uint8Array.from({ length: 128 }, (_, code) =>
  TOKEN.test(String.fromCharCode(code)) ? 1 : 0,
)

/** Each by its own name: looked up by a variable, a handler costs 0.2 µs more. */
function checkHandler(handler: object, method: string, upgrade: unknown): void {
  const given = handler as Readonly<Partial<Record<Callback, unknown>>>
  if (given.onRequestStart) return
  if (typeof given.onConnect !== 'function') rejectHandler('onConnect')
  if (typeof given.onError !== 'function') rejectHandler('onError')
  if (given.onBodySent !== undefined && typeof given.onBodySent !== 'function') rejectHandler('onBodySent')
  if (upgrade || method === 'CONNECT') {
    if (typeof given.onUpgrade !== 'function') rejectHandler('onUpgrade')
    return
  }
  if (typeof given.onHeaders !== 'function') rejectHandler('onHeaders')
  if (typeof given.onData !== 'function') rejectHandler('onData')
  if (typeof given.onComplete !== 'function') rejectHandler('onComplete')
}

type Callback =
  | 'onRequestStart'
  | 'onConnect'
  | 'onError'
  | 'onBodySent'
  | 'onUpgrade'
  | 'onHeaders'
  | 'onData'
  | 'onComplete'

function rejectHandler(name: Callback): never {
  reject(`invalid ${name} method`)
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

function isDuration(value: unknown): boolean {
  return Number.isFinite(value) && (value as number) >= 0
}

function isByte(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255
}

/** As undici makes it: a symbol throws. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : `${value as number}`
}

function reject(message: string): never {
  throw new errors.InvalidArgumentError(message)
}
