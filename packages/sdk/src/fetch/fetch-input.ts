import { extractBody, type ExtractedBody } from './body-init.js'
import type { FetchInit, FetchPolicy } from './fetch-init.js'
import type { FetchRequest, RedirectMode } from './fetch-request.js'
import { headersToSend } from './headers-to-send.js'
import { methodOf } from './method.js'
import { isTextual, takeBody } from './request-body.js'
import { targetOf, type Target } from './target.js'

/** Of any version of the standard: types know less of it than what runs. */
type AnyInit = FetchInit & { readonly cache?: string }

const NOTHING: AnyInit = Object.freeze({})
const NO_POLICY = Object.freeze({})
const NO_BODY: ExtractedBody = Object.freeze({ body: null, type: undefined })

/**
 * What `fetch` was given, as the constructor of `Request` reads it (https://fetch.spec.whatwg.org/#dom-request), but
 * with what came in as a body. Undefined: the process's own fetch is to read it. A promise only where a body has to be
 * looked at.
 *
 * @throws TypeError for what cannot be sent.
 */
export function readInput(
  service: string,
  base: string,
  input: unknown,
  init: FetchInit | null | undefined,
): FetchRequest | undefined | Promise<FetchRequest> {
  const given: AnyInit = init ?? NOTHING
  if (typeof given !== 'object') throw new TypeError('RequestInit: it must be an object')
  if (typeof input === 'string' || isUrl(input)) {
    return isRare(given) ? undefined : readUrl(targetOf(input, base), given)
  }
  if (isRequest(input)) return readRequest(input, base, given)
  throw new TypeError(
    `fetch takes a path such as /v1/items, a URL of ${service} such as ${base}/v1/items, or a Request, and was given ${describe(input)}`,
  )
}

function readUrl(target: Target, init: AnyInit): FetchRequest {
  const method = init.method === undefined ? 'GET' : methodOf(init.method)
  const body = bodyOf(init, method)
  return {
    target,
    method,
    headers: headersToSend(init.headers, {
      mode: init.mode ?? 'cors',
      cache: init.cache ?? 'default',
      type: body.type,
    }),
    body: body.body,
    redirect: redirectOf(init.redirect ?? 'follow'),
    signal: signalOf(init.signal ?? undefined),
    type: 'basic',
    redirects: 0,
    dispatcher: init.dispatcher as FetchRequest['dispatcher'],
    policy: policyOf(init),
  }
}

function readRequest(
  request: Request,
  base: string,
  init: AnyInit,
): FetchRequest | undefined | Promise<FetchRequest> {
  const own = init.body === undefined || init.body === null ? request.body : null
  if (own !== null && (request.bodyUsed || own.locked)) {
    throw new TypeError('Cannot construct a Request with a Request object that has already been used.')
  }
  const merged: AnyInit = {
    ...init,
    method: init.method ?? request.method,
    headers: init.headers ?? request.headers,
    mode: init.mode ?? request.mode,
    cache: init.cache ?? request.cache,
    redirect: init.redirect ?? request.redirect,
    integrity: init.integrity ?? request.integrity,
    keepalive: init.keepalive ?? request.keepalive,
    referrer: init.referrer ?? request.referrer,
    signal: init.signal === undefined ? request.signal : init.signal,
  }
  if (isRare(merged)) return undefined
  if (own === null) return readUrl(targetOf(request.url, base), merged)
  // Only fetch itself knows what it was made of.
  if (!isTextual(request.headers.get('content-type'))) return undefined
  const { method } = merged
  if (method === 'GET' || method === 'HEAD')
    throw new TypeError('Request with GET/HEAD method cannot have body.')
  const read = readUrl(targetOf(request.url, base), merged)
  return takeBody(own).then((body) => ({ ...read, body }))
}

function bodyOf({ body, duplex, keepalive }: AnyInit, method: string): ExtractedBody {
  if (body === undefined || body === null) return NO_BODY
  if (method === 'GET' || method === 'HEAD') {
    throw new TypeError('Request with GET/HEAD method cannot have body.')
  }
  return extractBody(body, { duplex, keepalive: keepalive ?? false })
}

/** What takes more than a service needs, and which the process's own fetch does. */
function isRare({ integrity, referrer, referrerPolicy, mode, cache, ...rest }: AnyInit): boolean {
  return (
    (integrity !== undefined && integrity !== '') ||
    (referrer !== undefined && referrer !== '' && referrer !== 'about:client') ||
    (mode !== undefined && mode !== 'cors' && mode !== 'same-origin') ||
    (cache !== undefined && !CACHES.has(cache)) ||
    (referrerPolicy !== undefined && referrerPolicy !== '') ||
    'window' in rest
  )
}

const CACHES: ReadonlySet<string> = new Set(['default', 'no-store', 'reload', 'no-cache', 'force-cache'])

function policyOf({ timeoutMs, idempotent, hashKey, caller }: FetchInit): FetchPolicy {
  if (timeoutMs === undefined && idempotent === undefined && hashKey === undefined && caller === undefined) {
    return NO_POLICY
  }
  return { timeoutMs, idempotent, hashKey, caller }
}

function redirectOf(redirect: string): RedirectMode {
  if (redirect === 'follow' || redirect === 'error' || redirect === 'manual') return redirect
  throw new TypeError(
    `Request constructor: ${redirect} is not an accepted type. Expected one of follow, manual, error.`,
  )
}

function signalOf(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined
  // By its shape: a test environment may have brought a class of its own.
  if (signal instanceof EventTarget && 'aborted' in signal) return signal as AbortSignal
  throw new TypeError('RequestInit: Expected signal to be an instance of AbortSignal.')
}

function isUrl(input: unknown): input is URL {
  return (
    input instanceof URL || (isObject(input) && typeof input['href'] === 'string' && 'searchParams' in input)
  )
}

/** Of this process, or of any library: what it needs is what it has. */
function isRequest(input: unknown): input is Request {
  return (
    input instanceof Request ||
    (isObject(input) &&
      typeof input['url'] === 'string' &&
      typeof input['method'] === 'string' &&
      isObject(input['headers']))
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function describe(input: unknown): string {
  if (!isObject(input)) return typeof input === 'function' ? 'a function' : String(input)
  const { constructor } = input
  const name = typeof constructor === 'function' ? constructor.name : ''
  return name === '' || name === 'Object' ? 'an object' : `an instance of ${name}`
}
