import { Code, ConnectError } from '@connectrpc/connect'
import { asError, FairleadError, type FairleadErrorCode } from '../errors.js'

/**
 * What connect-node hands on as it is: of another error it makes `Internal`, which says that a program is wrong. Codes and
 * text are those that calls of grpc-js end by (grpc/pick-result.ts, where they are what a load balancer returns).
 */
export function connectErrorOf(error: FairleadError): ConnectError {
  const { code, message } = error
  return new ConnectError(`${code}: ${message}`, codeOf(code), undefined, undefined, error)
}

/** What a user's code has thrown (`key`, a balancer) is left to connect-node. */
export function toConnectError(thrown: unknown): unknown {
  return thrown instanceof FairleadError ? connectErrorOf(thrown) : thrown
}

/**
 * Why the client has ended a lease.
 *
 * @param reason `dispatcher.destroy(error)` takes any error.
 */
export function endOf(reason: unknown): ConnectError {
  if (reason instanceof FairleadError) return connectErrorOf(reason)
  const error = asError(reason)
  return new ConnectError(error.message, Code.Unavailable, undefined, undefined, error)
}

function codeOf(code: FairleadErrorCode): Code {
  if (code === 'INVALID_OPTION') return Code.Internal
  return code === 'DEADLINE_EXCEEDED' ? Code.DeadlineExceeded : Code.Unavailable
}
