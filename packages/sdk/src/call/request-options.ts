import type { Dispatcher } from 'undici'
import type { CallOptions } from './call-options.js'
import { FairleadError } from '../errors.js'
import { readable, unreadable } from '../validation/checked.js'
import { invalidOption } from '../validation/invalid-option.js'
import { didYouMean, holdsOptions } from '../validation/known-names.js'
import type { NamedService } from '../validation/service-name.js'

/** What `request` takes: undici's own options, without the origin and with a method that may be omitted. */
export type ClientRequestOptions<TOpaque = null> = Omit<
  Dispatcher.RequestOptions<TOpaque>,
  'origin' | 'method'
> &
  Pick<CallOptions, 'timeoutMs' | 'hashKey' | 'caller' | 'priority'> & {
    /** Default `GET`. */
    readonly method?: Dispatcher.HttpMethod
  }

// A record, so that the compiler misses whatever undici or we add. `origin` is refused by the dispatcher if it is wrong.
const KNOWN: Readonly<Record<keyof ClientRequestOptions<unknown> | 'origin', true>> = {
  origin: true,
  path: true,
  method: true,
  body: true,
  headers: true,
  query: true,
  idempotent: true,
  blocking: true,
  typeOfService: true,
  upgrade: true,
  headersTimeout: true,
  bodyTimeout: true,
  reset: true,
  throwOnError: true,
  expectContinue: true,
  opaque: true,
  signal: true,
  onInfo: true,
  responseHeaders: true,
  highWaterMark: true,
  timeoutMs: true,
  hashKey: true,
  caller: true,
  priority: true,
}

const known: ReadonlySet<string> = new Set(Object.keys(KNOWN))

// What other clients call it, where that is not a misspelling of ours.
const ELSEWHERE: Readonly<Record<string, string>> = {
  json: "body: JSON.stringify(value), and headers: { 'content-type': 'application/json' }",
  data: 'body',
  form: 'body: new URLSearchParams(fields)',
  url: 'path',
  uri: 'path',
  pathname: 'path',
  params: 'query',
  searchParams: 'query',
  qs: 'query',
  timeout: 'timeoutMs',
  baseURL: 'nothing: a client is of one service',
  dispatcher: 'nothing: the client is the dispatcher',
  agent: 'nothing: the client is the agent',
}

const AUTHORITY = /^https?:\/\/[^/\\?#]*/i

/**
 * The options of a request as they are dispatched: with a method, and with a path where a URL of the service was given.
 * undici ignores names that it does not know, and some values of the wrong kind: a `timeout`, a `json` or a `query` that is
 * ignored is found in production. Of usual options it costs a look-up for each name that is there, and no allocation.
 *
 * @throws FairleadError `INVALID_OPTION`; what a getter of the options throws is its cause.
 */
export function readRequest(options: unknown, service: NamedService): Dispatcher.RequestOptions {
  try {
    return complete(options, service)
  } catch (thrown) {
    throw thrown instanceof FairleadError ? thrown : unreadable('options of request', options, thrown)
  }
}

/**
 * The same for a request that is explained and not sent, so that what the dispatcher would refuse is looked for here.
 *
 * @throws FairleadError `INVALID_OPTION`.
 */
export function readQuestion(options: object, service: NamedService): Dispatcher.RequestOptions {
  const complete = readable('options of explain', options, () => ({ path: '/', ...options }))
  const read = readRequest(complete, service)
  const { hashKey, idempotent } = read as CallOptions
  if (hashKey !== undefined && typeof hashKey !== 'string') throw invalidOption('hashKey', hashKey, 'text')
  if (typeof (idempotent ?? false) !== 'boolean')
    throw invalidOption('idempotent', idempotent, 'true or false')
  return read
}

/** With names that are known; their values are anything. */
type Given = Readonly<Partial<Record<keyof ClientRequestOptions, unknown>>>

function complete(options: unknown, service: NamedService): Dispatcher.RequestOptions {
  if (typeof options !== 'object' || options === null)
    throw invalidOption('options of request', options, "an object such as { path: '/v1/orders/42' }")
  for (const name in options) {
    if (!known.has(name)) throw unknownOption(name)
  }
  const given = options as Given
  const { path, method, headers, query, caller } = given
  if (headers !== undefined && headers !== null) checkHeaders(headers)
  if (query) checkQuery(query)
  if (caller !== undefined) checkCaller(caller)
  // As undici has it, whose own words say neither which path nor what to write; the dispatcher keeps them.
  if (typeof path === 'string' && (path.startsWith('/') || method === 'CONNECT')) {
    // The default comes first: a method added to a copy leaves an object that V8 has no shape for, which costs a
    // fifth of the requests a second.
    return method === undefined
      ? ({ method: 'GET', ...options } as Dispatcher.RequestOptions)
      : (given as Dispatcher.RequestOptions)
  }
  return { ...given, method: method ?? 'GET', path: pathIn(path, service) } as Dispatcher.RequestOptions
}

/** The path of a URL of the service. As `fetch` has it, one of anybody else is not sent to this service by mistake. */
function pathIn(url: unknown, { service, origins }: NamedService): string {
  const authority = typeof url === 'string' ? AUTHORITY.exec(url)?.[0] : undefined
  if (typeof url !== 'string' || authority === undefined)
    throw invalidOption('path of request', url, 'a path that begins with "/", such as "/v1/orders/42"')
  if (!origins.all.has(authority.toLowerCase().replace(/:80$/, '')))
    throw invalidOption(
      'path of request',
      url,
      `a path that begins with "/", or a URL of ${origins.base}: a client of ${service} serves no other origin`,
    )
  const rest = url.slice(authority.length).replace(/#.*$/s, '')
  return rest.startsWith('/') ? rest : `/${rest}`
}

const HEADERS = "an object such as { accept: 'application/json' }, a Headers or a Map"

/** What undici drops without a word, or stumbles over. Never with a value: some are secret. */
function checkHeaders(headers: unknown): void {
  if (typeof headers !== 'object' || headers === null) return
  if (Array.isArray(headers)) {
    for (let index = 0; index < headers.length; index += 2) {
      if (typeof headers[index] === 'string') continue
      const found = Array.isArray(headers[index])
        ? 'an array of pairs'
        : 'an array in which a name is no text'
      throw wrong('headers', found, `${HEADERS}; of pairs Object.fromEntries(pairs) makes an object`)
    }
  } else if (Symbol.asyncIterator in headers && !(Symbol.iterator in headers)) {
    throw wrong('headers', 'an async iterable', `${HEADERS}, which are there when the request is made`)
  }
}

const QUERY = 'an object such as { page: 2 }'

/** undici sends nothing of what is not such an object, and nothing of a value that is an object itself. */
function checkQuery(query: unknown): void {
  if (typeof query === 'string')
    throw invalidOption('query of request', query, `${QUERY}, or a part of path: "/v1/orders?page=2"`)
  if (query instanceof URLSearchParams || query instanceof Map) {
    const name = query instanceof Map ? 'a Map' : 'a URLSearchParams'
    throw wrong('query', name, `${QUERY}, such as Object.fromEntries(params) makes`)
  }
  if (!holdsOptions(query)) throw invalidOption('query of request', query, QUERY)
  for (const [name, value] of Object.entries(query)) {
    const found: unknown = Array.isArray(value) ? value.find(isLost) : value
    if (isLost(found))
      throw invalidOption(
        `query.${name} of request`,
        found,
        'text, a number, true or false, or an array of such: of anything else nothing would be sent',
      )
  }
}

function isLost(value: unknown): boolean {
  return (
    (typeof value === 'object' && value !== null) || typeof value === 'function' || typeof value === 'symbol'
  )
}

/** Its address is not read: where it is a getter, only a balancer that asks for it shall pay for it. */
function checkCaller(caller: unknown): void {
  const wanted = "an object with the address of the caller as text, such as { address: '10.0.0.7' }"
  if (typeof caller !== 'object' || caller === null || !('address' in caller))
    throw invalidOption('caller', caller, wanted)
  for (let holder: object | null = caller; holder !== null; holder = parentOf(holder)) {
    const property = Object.getOwnPropertyDescriptor(holder, 'address')
    if (property === undefined) continue
    const value: unknown = property.value
    if (value !== undefined && typeof value !== 'string')
      throw invalidOption('caller.address', value, "text, such as '10.0.0.7'")
    return
  }
}

function parentOf(value: object): object | null {
  return Object.getPrototypeOf(value) as object | null
}

/** {@link invalidOption} without the value. */
function wrong(name: string, found: string, wanted: string): FairleadError {
  return new FairleadError('INVALID_OPTION', `${name} of request is ${found}: it must be ${wanted}`)
}

function unknownOption(name: string): FairleadError {
  const meant = Object.hasOwn(ELSEWHERE, name)
    ? ` (here it is ${ELSEWHERE[name] ?? ''})`
    : didYouMean(name, [...known])
  return new FairleadError(
    'INVALID_OPTION',
    `request: unknown option ${name}: remove it or check its spelling${meant}`,
  )
}
