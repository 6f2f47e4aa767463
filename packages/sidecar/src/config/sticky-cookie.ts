import type { StickyCookieOptions } from '@fairlead/sdk'
import { InvalidArgumentError } from 'commander'
import { parseStickyName } from './sticky-name.js'

/** The cookie of a session, without the secret that signs it. */
export type StickyCookie = Omit<StickyCookieOptions, 'secret'>

/** Reads `--sticky-cookie`: a name, and attributes after it as a `Set-Cookie` header has them. */
export function parseStickyCookie(value: string): StickyCookie {
  const [name = '', ...attributes] = value.split(';').map((part) => part.trim())
  return attributes.reduce<StickyCookie>(
    (cookie, attribute) => ({ ...cookie, ...parseAttribute(attribute) }),
    {
      cookie: parseStickyName(name),
    },
  )
}

// RFC 6265, 5.2: attribute names are case-insensitive. The SDK validates their values.
function parseAttribute(attribute: string): Partial<StickyCookie> {
  const [, name = '', value] = NAME_AND_VALUE.exec(attribute) ?? []
  switch (`${name.toLowerCase()}${value === undefined ? '' : '='}`) {
    case 'secure':
      return { secure: true }
    case 'httponly':
      // Always set.
      return {}
    case 'max-age=':
      return { maxAgeSeconds: /^\d+$/.test(value ?? '') ? Number(value) : NaN }
    case 'path=':
      return { path: value }
    case 'domain=':
      return { domain: value }
    case 'samesite=':
      return { sameSite: value?.toLowerCase() as StickyCookie['sameSite'] }
    default:
      throw new InvalidArgumentError(
        `After the name there may be Max-Age=SECONDS, Path=PATH, Domain=HOST, Secure and SameSite=Strict, Lax or None, ` +
          `with ";" before each, not ${JSON.stringify(attribute)}.`,
      )
  }
}

const NAME_AND_VALUE = /^([^=\s]+)\s*(?:=\s*(.*))?$/s
