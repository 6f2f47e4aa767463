import type { IncomingHttpHeaders } from 'node:http'
import { ownError, type ErrorResponse } from '../inbound/error-response.js'
import { HOPS_HEADER } from './headers.js'

/**
 * Sidecars that a request may come through. Each one takes two descriptors while the request lasts, so that a loop costs
 * 20 instead of all; and applications that pass all headers on may call one another in a row as long as this.
 */
const MAX_HOPS = 10

/** How many sidecars a request has come through before this one. */
export function hopsOf(headers: IncomingHttpHeaders): number {
  const value = headers[HOPS_HEADER]
  // What is no number was not written by one of us. Several are joined: whoever does that has earned the limit.
  if (value === undefined) return 0
  return /^\d{1,9}$/.test(String(value)) ? Number(value) : MAX_HOPS
}

/** What to answer a request that goes in a circle; undefined: it does not. */
export function loopRejection(headers: IncomingHttpHeaders, service: string): ErrorResponse | undefined {
  if (headers[HOPS_HEADER] === undefined || hopsOf(headers) < MAX_HOPS) return undefined
  const message = `the request has come through ${MAX_HOPS} sidecars: an instance of ${service} leads back to one of them`
  return ownError('LOOP_DETECTED', message, service)
}
