import type { IncomingHttpHeaders } from 'node:http'
import { badRequest, ownError, type ErrorResponse } from '../inbound/error-response.js'
import { HOPS_HEADER } from './headers.js'

/**
 * The limit of sidecars in the path of a request. Each uses two descriptors while the request lasts, so a loop costs 20
 * instead of all; and applications that forward all headers may call one another in a chain of this length.
 */
const MAX_HOPS = 10

/** The number of sidecars before this one, for a request that `loopRejection` accepts. */
export function hopsOf(headers: IncomingHttpHeaders): number {
  const value = headers[HOPS_HEADER]
  return value === undefined ? 0 : Number(value)
}

/** The response to a request in a loop, or with an invalid count of hops; undefined: neither. */
export function loopRejection(headers: IncomingHttpHeaders, service: string): ErrorResponse | undefined {
  const value = headers[HOPS_HEADER]
  if (value === undefined) return undefined
  // Not written by a sidecar. Not ignored either, as the real count of a loop may have been overwritten; repeated headers
  // are joined.
  if (!/^\d+$/.test(String(value))) {
    const quoted = JSON.stringify(String(value).slice(0, 80))
    return badRequest(
      `its ${HOPS_HEADER} is ${quoted}: it must be one number, the count of sidecars that have forwarded the request; or omit it`,
      service,
    )
  }
  if (hopsOf(headers) < MAX_HOPS) return undefined
  const message = `the request has been forwarded by ${MAX_HOPS} sidecars: an instance of ${service} leads back to one of them; check its registered address`
  return ownError('LOOP_DETECTED', message, service)
}
