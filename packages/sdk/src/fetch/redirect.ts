import { OutgoingStream } from './outgoing-stream.js'
import type { FetchRequest } from './fetch-request.js'
import { targetOfUrl } from './target.js'

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** https://fetch.spec.whatwg.org/#http-redirect-fetch, step 7. */
const MOST = 20
/** https://fetch.spec.whatwg.org/#request-body-header-name */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
  'content-length',
])
/** Of one origin, and not to be told to another: the same, step 13. */
const OF_THE_ORIGIN: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'host'])

export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status)
}

/**
 * The request that a redirect leads to.
 *
 * @throws Error for one that must not be followed.
 */
export function redirected(request: FetchRequest, status: number, location: string): FetchRequest {
  const from = request.target
  // In UTF-8, as browsers read it, where it is no ASCII.
  const to = new URL(Buffer.from(location, 'latin1').toString(), from.url)
  if (to.hash === '') to.hash = from.url.hash
  if (to.protocol !== 'http:' && to.protocol !== 'https:')
    throw new Error('URL scheme must be a HTTP(S) scheme')
  if (request.redirects === MOST) throw new Error('redirect count exceeded')
  const sameOrigin = to.origin === from.origin
  // Step 9; a program of Node has no origin, which no URL is the same as.
  if (to.username !== '' || to.password !== '') {
    throw new Error('cross origin not allowed for request mode "cors"')
  }
  if (status !== 303 && request.body instanceof OutgoingStream) {
    throw new Error(
      `a redirect with status ${status} repeats the body, and that is a stream which has been sent`,
    )
  }
  const becomesGet =
    ((status === 301 || status === 302) && request.method === 'POST') ||
    (status === 303 && request.method !== 'GET' && request.method !== 'HEAD')
  return {
    ...request,
    target: targetOfUrl(to),
    method: becomesGet ? 'GET' : request.method,
    body: becomesGet ? null : request.body,
    headers: without(
      request.headers,
      (name) => (becomesGet && OF_THE_BODY.has(name)) || (!sameOrigin && OF_THE_ORIGIN.has(name)),
    ),
    redirects: request.redirects + 1,
    type: sameOrigin ? request.type : 'cors',
  }
}

function without(headers: readonly string[], goes: (name: string) => boolean): readonly string[] {
  const kept: string[] = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const [name = '', value = ''] = headers.slice(index, index + 2)
    if (!goes(name)) kept.push(name, value)
  }
  return kept
}
