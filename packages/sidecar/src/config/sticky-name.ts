import type { StickyOptions } from '@fairlead/sdk'
import { InvalidArgumentError } from 'commander'
import { isToken } from './token.js'

// Braces are not allowed in such a name, and every character of a service's name is.
const SERVICE = '{service}'

/** Reads the name of a cookie or header, in which `{service}` is replaced by the name of the service. */
export function parseStickyName(value: string): string {
  if (isToken(value.replaceAll(SERVICE, 'any'))) return value
  throw new InvalidArgumentError(
    "Its name must be of letters, digits and !#$%&'*+-.^_`|~, and may have {service} in it.",
  )
}

/** The session options of one service. */
export function stickyOf(sticky: StickyOptions, service: string): StickyOptions {
  return sticky.header === undefined
    ? { ...sticky, cookie: sticky.cookie.replaceAll(SERVICE, service) }
    : { ...sticky, header: sticky.header.replaceAll(SERVICE, service) }
}
