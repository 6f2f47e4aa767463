import type { ClientOptions as StubOptions } from '@grpc/grpc-js'
import { systemClock } from '../clock.js'
import { currentDeadline } from '../deadline/current-deadline.js'

type Transform = NonNullable<StubOptions['callInvocationTransformer']>

/**
 * Gives each call of a stub the deadline of the work that makes it, where that is earlier than its own; grpc-js tells it to
 * the server. Not by an interceptor: those that a call brings replace those of its stub.
 *
 * @param next The caller's own, which sees the call with its deadline.
 */
export function withinDeadline(next: Transform | undefined): Transform {
  return next === undefined ? bind : (call) => next(bind(call))
}

const bind: Transform = (call) => {
  const bound = currentDeadline()
  if (bound === undefined) return call
  // By the clock that grpc-js measures it with, whatever the client's is.
  const deadline = systemClock.unixTime() + bound.remainingMs
  const { callOptions } = call
  const own = callOptions.deadline ?? Infinity
  return Number(own) <= deadline ? call : { ...call, callOptions: { ...callOptions, deadline } }
}
