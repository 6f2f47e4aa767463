import type { HashPolicyOption } from '@fairlead/sdk'
import { InvalidArgumentError } from 'commander'
import { isToken } from './token.js'

/** Adds the parts of one `--hash-on`, separated by commas, to those of the ones before it. */
export function collectHashOn(
  value: string,
  before: readonly HashPolicyOption[],
): readonly HashPolicyOption[] {
  return [...before, ...value.split(',').map((part) => parsePart(part.trim()))]
}

function parsePart(part: string): HashPolicyOption {
  if (part === 'path') return { pathname: true }
  if (part === 'source_ip') return { sourceIp: true }
  const [, kind, name = ''] = NAMED.exec(part) ?? []
  switch (kind) {
    case 'header':
      // Envoy's names of what HTTP/1.1 has no header for: `:path`, query included, and `:method`.
      if (name === ':path' || name === ':method' || isToken(name)) return { header: name }
      break
    case 'cookie':
      if (isToken(name)) return { cookie: name }
      break
    case 'query':
      // What can stand in a path before `=`.
      if (/^[^\s&=#]+$/.test(name)) return { queryParameter: name }
      break
  }
  throw new InvalidArgumentError(
    `It must be header:NAME, cookie:NAME, query:NAME, path or source_ip, not ${JSON.stringify(part)}.`,
  )
}

const NAMED = /^(header|cookie|query):(.+)$/s
