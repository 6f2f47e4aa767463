import type { Call } from './call.js'

/** What every event of a call tells. */
interface OfCall {
  readonly service: string
  readonly call: object
  readonly method: string
  readonly path: string
  readonly now: number
}

/** What every event of an attempt tells. */
interface OfAttempt extends OfCall {
  readonly endpoint: string
  readonly attempt: number
}

/** @param now The clock's milliseconds. */
export function ofCall(call: Call, now: number): OfCall {
  const { service, options } = call
  return { service, call, method: options.method, path: options.path, now }
}

/** @param attempt 1 for the first. */
export function ofAttempt(
  call: Call,
  endpoint: { readonly address: string },
  attempt: number,
  now: number,
): OfAttempt {
  return { ...ofCall(call, now), endpoint: endpoint.address, attempt }
}
