import type { IncomingHttpHeaders } from 'node:http'
import { badRequest, ownError, type ErrorResponse } from '../inbound/error-response.js'
import { HOPS_HEADER } from './headers.js'

/**
 * Sidecars that a request may come through. Each one takes two descriptors while the request lasts, so that a loop costs
 * 20 instead of all; and applications that pass all headers on may call one another in a row as long as this.
 */
const MAX_HOPS = 10

/** How many sidecars a request has come through before this one, which `loopRejection` has no objection to. */
export function hopsOf(headers: IncomingHttpHeaders): number {
  const value = headers[HOPS_HEADER]
  return value === undefined ? 0 : Number(value)
}

/** What to answer a request that goes in a circle, or does not say whether it does; undefined: it does not. */
export function loopRejection(headers: IncomingHttpHeaders, service: string): ErrorResponse | undefined {
  const value = headers[HOPS_HEADER]
  if (value === undefined) return undefined
  // Not written by one of us. Nor is it dropped, since somebody has taken the count of a circle away; several are joined.
  if (!/^\d+$/.test(String(value))) {
    const quoted = JSON.stringify(String(value).slice(0, 80))
    return badRequest(
      `its ${HOPS_HEADER} is ${quoted}: it must be one number, of the sidecars that it has come through, or left out`,
      service,
    )
  }
  if (hopsOf(headers) < MAX_HOPS) return undefined
  const message = `the request has come through ${MAX_HOPS} sidecars: an instance of ${service} leads back to one of them`
  return ownError('LOOP_DETECTED', message, service)
}
