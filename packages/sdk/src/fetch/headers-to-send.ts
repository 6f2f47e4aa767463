/** What the headers of a request depend on beside those that are given. */
export interface HeaderContext {
  readonly mode: string
  readonly cache: string
  /** Of the body, for a request that names none. */
  readonly type: string | undefined
}

// What Node's own fetch sends to an http URL, in its order: a server cannot tell the two apart.
const ACCEPT = ['accept', '*/*'] as const
const LANGUAGE = ['accept-language', '*'] as const
const AGENT = ['user-agent', 'node'] as const
const ENCODING = ['accept-encoding', 'gzip, deflate'] as const
const USUAL = Object.freeze([...ACCEPT, ...LANGUAGE, 'sec-fetch-mode', 'cors', ...AGENT, ...ENCODING])
const CONDITIONS = [
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'if-match',
  'if-range',
] as const

/**
 * The headers of a request: the caller's, and those that https://fetch.spec.whatwg.org/#http-network-or-cache-fetch
 * adds to them.
 *
 * @throws TypeError for a name or value that no header may have.
 */
export function headersToSend(init: RequestInit['headers'], context: HeaderContext): readonly string[] {
  const { mode, cache, type } = context
  if (init === undefined && type === undefined && mode === 'cors' && cache === 'default') return USUAL
  // The process's own checks names and values.
  const given = new Headers(init)
  if (type !== undefined && !given.has('content-type')) given.set('content-type', type)
  given.delete('host')
  const list: string[] = []
  for (const [name, value] of given) if (name !== 'sec-fetch-mode') list.push(name, value)
  const unless = (name: string, header: readonly string[]): void => {
    if (!given.has(name)) list.push(...header)
  }
  unless('accept', ACCEPT)
  unless('accept-language', LANGUAGE)
  list.push('sec-fetch-mode', mode)
  unless('user-agent', AGENT)
  const conditional = cache === 'default' && CONDITIONS.some((name) => given.has(name))
  if (cache === 'no-cache') unless('cache-control', ['cache-control', 'max-age=0'])
  if (conditional || cache === 'no-store' || cache === 'reload') {
    unless('pragma', ['pragma', 'no-cache'])
    unless('cache-control', ['cache-control', 'no-cache'])
  }
  // Of a part of a body one cannot decode a coding.
  if (given.has('range')) withIdentity(list)
  else unless('accept-encoding', ENCODING)
  return list
}

function withIdentity(list: string[]): void {
  const at = list.indexOf('accept-encoding')
  if (at < 0) list.push('accept-encoding', 'identity')
  else list[at + 1] = `${list[at + 1] ?? ''}, identity`
}
