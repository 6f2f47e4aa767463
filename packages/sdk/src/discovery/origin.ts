import { isIPv6 } from 'node:net'

// No path, query, fragment or user: it names a machine and a port, nothing else.
const ORIGIN = /^https?:\/\/[^\s/\\?#@]+\/?$/i

/** `http://host:port` or `https://host:port` in one spelling, the scheme's port filled in; undefined: it is neither. */
export function parseOrigin(text: string): string | undefined {
  const url = ORIGIN.test(text) && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.port === '0') return undefined
  return `${url.protocol}//${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`
}

/** The origin of a host name or IP address; undefined: it is neither. */
export function originOf(scheme: 'http' | 'https', host: string, port: number): string | undefined {
  return parseOrigin(`${scheme}://${isIPv6(host) ? `[${host}]` : host}:${port}`)
}

/** The host of an origin without parsing a URL, which for 10,000 instances would take 10 ms; IPv6 in its brackets. */
export function hostOf(origin: string): string {
  const start = origin.indexOf('//') + 2
  const end = origin[start] === '[' ? origin.indexOf(']', start) + 1 : origin.indexOf(':', start)
  return origin.slice(start, end > 0 ? end : undefined)
}

/** The `host:port` of an instance: its one name in events, errors and the log. */
export function addressOf({ origin }: { readonly origin: string }): string {
  return origin.slice(origin.indexOf('//') + 2)
}
