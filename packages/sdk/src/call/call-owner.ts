import type { Clock } from '../clock.js'
import type { DeadlineHeader } from '../deadline/deadline.js'
import type { Fault } from '../endpoint/classify.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { Events } from '../observe/events.js'
import type { Call } from './call.js'
import type { CallOptions } from './call-options.js'
import type { EffectivePolicy } from './policy.js'

/** An attempt that has failed before the head of a response. */
export interface FailedAttempt {
  readonly endpoint: Endpoint
  readonly error: Error
  readonly fault: Fault
  /** What to do about it, where this machine has run out of something. */
  readonly advice: string | undefined
  /** May a byte of it have reached the endpoint? */
  readonly written: boolean
  /** It may have, and the endpoint has said that it has not processed it. */
  readonly unprocessed?: boolean
  /** 1 for the first of its call. */
  readonly ordinal: number
}

/** Hears what a call cannot decide by itself. */
export interface CallOwner {
  /** Ends the call now, or makes another attempt in a turn of its own. */
  attemptFailed(call: Call, failed: FailedAttempt): void
  /** It was queued, and its turn has come. */
  admitted(call: Call): void
  /** An attempt is answered as its policy would have it replaced. Says whether another one takes its place. */
  isReplaced(call: Call, failed: FailedAttempt): boolean
  /** The endpoint of an attempt without a head is stalled. May come again. */
  attemptStalled(call: Call): void
  /** The call has ended, in whatever way; `error`: what its caller got instead of a response. */
  ended(call: Call, error: Error | undefined): void
}

/** Sees the head of each final response, and returns the one that the caller gets. */
export type ResponseFilter = (
  response: Buffer[],
  request: CallOptions['headers'],
  endpoint: Endpoint,
) => Buffer[]

/** What all calls of a client have in common. */
export interface CallDependencies {
  readonly service: string
  readonly owner: CallOwner
  readonly policy: { readonly current: EffectivePolicy }
  /** Undefined: responses are handed on as they are. */
  readonly filter: ResponseFilter | undefined
  /** What tells endpoints how much time is left; undefined: what the call's own deadline came in by. */
  readonly deadlineHeaders: readonly DeadlineHeader[] | undefined
  readonly events: Events
  readonly clock: Clock
}
