import type { HashPolicyOption } from '@fairlead/sdk'
import { InvalidArgumentError } from 'commander'
import { isToken } from './token.js'

/** Adds one value of `--hash-on`, of one part or several with commas between them, to those before it. */
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
      // Envoy's names of what is no header in HTTP/1.1: `:path`, which has its query, and `:method`.
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
    `It must be header:NAME, cookie:NAME, query:NAME, path or source_ip, and ${JSON.stringify(part)} is none of them.`,
  )
}

const NAMED = /^(header|cookie|query):(.+)$/s
