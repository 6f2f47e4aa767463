import type { Socket } from 'node:net'

type Fields = Readonly<Record<string, unknown>>

/** How many arguments each takes: what we replace, and call in our turn, has to be called in the same way. */
const METHODS = { resume: 0, finish: 0, createError: 2, onHeadersComplete: 3, onMessageComplete: 0 } as const

/** Of WebAssembly, where the arity is that of the compiled function. */
const EXPORTS = {
  llhttp_resume: 1,
  llhttp_get_http_minor: 1,
  llhttp_set_lenient_chunked_length: 2,
} as const

/** What is read and written of it besides, when its connection is new. */
const STATE: readonly (readonly [name: string, isKnown: (value: unknown) => boolean])[] = [
  ['ptr', (value) => typeof value === 'number'],
  ['statusCode', (value) => value === 0],
  ['paused', (value) => typeof value === 'boolean'],
  ['headers', Array.isArray],
  ['headersSize', (value) => value === 0],
  ['contentLength', (value) => value === ''],
  ['timeout', (value) => value === null || typeof value === 'object'],
]

/**
 * What is not as in the parser of undici 7.30 that `readByTheBook` is written for; undefined: all is. The parser is
 * private to undici, and a release that changes it need not say so. Half of a patch would be worse than none. Pure.
 *
 * @param parser Whatever was found in its place.
 */
export function parserMisfit(parser: unknown, socket: Socket): string | undefined {
  if (typeof parser !== 'object' || parser === null) return 'its connection has no parser'
  const fields = parser as Fields
  // Taken from it, so that ours can call undici's.
  const methods = misfitOf(Object.getPrototypeOf(parser) as Fields | null, METHODS, 'parser')
  if (methods !== undefined) return methods
  const exports = misfitOf(fields['llhttp'] as Fields | null | undefined, EXPORTS, 'llhttp')
  if (exports !== undefined) return exports
  if (fields['socket'] !== socket) return 'parser.socket is not its connection'
  const unknown = STATE.find(([name, isKnown]) => !(name in fields) || !isKnown(fields[name]))
  if (unknown !== undefined) return `parser.${unknown[0]} is not what it was`
  return Object.isExtensible(parser) ? undefined : 'parser is sealed'
}

function misfitOf(
  given: Fields | null | undefined,
  arities: Readonly<Record<string, number>>,
  owner: string,
): string | undefined {
  for (const [name, arity] of Object.entries(arities)) {
    const found = given?.[name]
    if (typeof found !== 'function') return `${owner}.${name} is no function`
    if (found.length !== arity) return `${owner}.${name} takes ${found.length} arguments instead of ${arity}`
  }
  return undefined
}
