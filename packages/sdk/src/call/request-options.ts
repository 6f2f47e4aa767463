import type { Dispatcher } from 'undici'
import type { CallOptions } from './call.js'
import { FairleadError } from '../errors.js'
import { invalidOption } from '../validation/invalid-option.js'
import { didYouMean } from '../validation/known-names.js'

/** What `request` takes: undici's own options, without the origin and with a method that may be omitted. */
export type ClientRequestOptions<TOpaque = null> = Omit<
  Dispatcher.RequestOptions<TOpaque>,
  'origin' | 'method'
> &
  Pick<CallOptions, 'timeoutMs' | 'hashKey' | 'caller'> & {
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

const ABSOLUTE = /^https?:\/\//

/**
 * What is wrong with the options of a request; undefined: nothing. undici ignores names that it does not know, and a
 * `timeout` or a `json` that is ignored is found in production. A look-up for each name that is there, and no allocation.
 */
export function wrongRequest(options: unknown): FairleadError | undefined {
  if (typeof options !== 'object' || options === null)
    return invalidOption('options of request', options, "an object such as { path: '/v1/orders/42' }")
  for (const name in options) {
    if (!known.has(name)) return unknownOption(name)
  }
  const { path, method } = options as { readonly path?: unknown; readonly method?: unknown }
  // As undici has it, whose own words say neither which path nor what to write; the dispatcher keeps them.
  if (typeof path === 'string' && (path.startsWith('/') || ABSOLUTE.test(path) || method === 'CONNECT'))
    return undefined
  return invalidOption('path of request', path, 'a path that begins with "/", such as "/v1/orders/42"')
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
