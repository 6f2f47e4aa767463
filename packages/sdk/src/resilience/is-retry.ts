import type { Dispatcher } from 'undici'
import { ATTEMPT, PREVIOUS_ATTEMPTS } from '../deadline/attempt-headers.js'
import { headerValues } from '../hashing/request-fields.js'

/**
 * Is the request itself a retry, of whoever is before us? If each layer of three retried three times, one request would
 * come to twenty-seven.
 *
 * @param attemptHeader The header that we count in, beside those that are known.
 */
export function isRetry(
  headers: Dispatcher.DispatchOptions['headers'],
  attemptHeader: string | undefined,
): boolean {
  return (
    numberIn(headers, ATTEMPT) > 1 ||
    numberIn(headers, PREVIOUS_ATTEMPTS) > 0 ||
    (attemptHeader !== undefined && numberIn(headers, attemptHeader.toLowerCase()) > 1)
  )
}

/** The number in a header; 0: there is none. */
export function numberIn(headers: Dispatcher.DispatchOptions['headers'], name: string): number {
  const value = headerValues(headers, name)
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : 0
}
