import { reasonOf } from '../errors.js'
import type { Logger } from '../logger.js'

/** What is read here of a call. */
interface LoggedCall {
  readonly service: string
  readonly options: { readonly method: string; readonly path: string }
}

interface LoggedEndpoint {
  readonly address: string
}

/** Where each call goes and what becomes of its attempts, at level `debug`. */
export interface CallLog {
  picked(call: LoggedCall, endpoint: LoggedEndpoint): void
  /** @param final Why there is no other attempt; undefined: there is one. */
  failed(call: LoggedCall, endpoint: LoggedEndpoint, failure: Error, final: string | undefined): void
}

/** Undefined where nobody would read it, so that a request pays one branch for it. */
export function callLog(logger: Logger): CallLog | undefined {
  const { isLevelEnabled } = logger as { readonly isLevelEnabled?: (level: string) => boolean }
  if (logger.debug === undefined || isLevelEnabled?.call(logger, 'debug') === false) return undefined
  const fieldsOf = ({ service, options }: LoggedCall, { address }: LoggedEndpoint): object => ({
    service,
    endpoint: address,
    method: options.method,
    path: options.path,
  })
  return {
    picked: (call, endpoint) => logger.debug?.(fieldsOf(call, endpoint), 'endpoint picked'),
    failed: (call, endpoint, failure, final) => {
      const next = final === undefined ? 'trying another endpoint' : `not tried again: ${final}`
      logger.debug?.({ ...fieldsOf(call, endpoint), reason: reasonOf(failure) }, `attempt failed; ${next}`)
    },
  }
}
