import { validateHeaderName } from 'node:http'

/** RFC 9110, 5.1, and RFC 6265, 4.1.1: names of headers and of cookies are the same kind of token. */
export function isToken(name: string): boolean {
  try {
    validateHeaderName(name)
    return true
  } catch {
    return false
  }
}
