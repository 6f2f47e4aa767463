import { placeOf, type RawHeaders } from '../request/raw-headers.js'

const NAME = 'retry-after'

/**
 * The `Retry-After` of a response among raw headers, names and values in turn: in milliseconds from now; 0 where there is
 * none, or none that is valid. A date counts from `unixTime`. Source: RFC 9110, 10.2.3.
 */
export function retryAfterMs(headers: RawHeaders, unixTime: () => number): number {
  const place = placeOf(headers, NAME)
  return place < 0 ? 0 : parseRetryAfter(headers[place]?.toString('latin1').trim() ?? '', unixTime)
}

/** A value of it, as {@link retryAfterMs} reads it. */
export function parseRetryAfter(value: string, unixTime: () => number): number {
  if (/^\d+$/.test(value)) return Number(value) * 1000
  // Only dates of HTTP: `Date.parse` takes much else, such as a lone year.
  const date = /^[A-Z][a-z]{2}, .* GMT$/.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? 0 : Math.max(0, date - unixTime())
}
