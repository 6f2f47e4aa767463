import type { Dispatcher } from 'undici'
import { withDeadlineHeaders } from '../deadline/deadline-header.js'
import type { DeadlineHeader } from '../deadline/deadline.js'
import { headerValues } from '../hashing/request-fields.js'
import { isReplayable } from '../request/bodies.js'
import { withHeader } from '../request/with-headers.js'
import { numberIn } from '../resilience/is-retry.js'

/** Whose request it is. */
interface Sender {
  readonly options: { readonly body?: unknown }
  readonly policy: { readonly attemptHeader: string | undefined }
  /** By when it has to be over, as it stands; `Infinity`: whenever. */
  readonly deadline: number
}

/** One attempt of it. */
interface SentAttempt {
  readonly options: Dispatcher.DispatchOptions
  readonly ordinal: number
}

/** By when its caller has to have it, and what tells endpoints of that; both in the clock's milliseconds. */
interface Told {
  readonly names: readonly DeadlineHeader[] | undefined
  readonly boundAt: number
  readonly now: () => number
}

/** What is sent of a call: with the number of the attempt and the time that is left, where these are to be told. */
export function outgoing(
  { options: { body }, policy, deadline }: Sender,
  attempt: SentAttempt,
  { names, boundAt, now }: Told,
): Dispatcher.DispatchOptions {
  const numbered = withAttemptNumber(attempt, policy.attemptHeader)
  if (names === undefined || names.length === 0) return numbered
  // While a stream makes progress its own limit moves on: what is told is what stands.
  const until = isReplayable(body) ? deadline : boundAt
  return until === Infinity ? numbered : withDeadlineHeaders(numbered, names, until - now())
}

/** By option: on top of what its caller has counted. */
function withAttemptNumber(
  { options, ordinal }: SentAttempt,
  attemptHeader: string | undefined,
): Dispatcher.DispatchOptions {
  if (attemptHeader === undefined) return options
  const name = attemptHeader.toLowerCase()
  if (ordinal === 1 && headerValues(options.headers, name) !== undefined) return options
  const before = Math.max(1, numberIn(options.headers, name))
  return withHeader(options, attemptHeader, String(before + ordinal - 1))
}
