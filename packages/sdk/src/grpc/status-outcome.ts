import { status as Status } from '@grpc/grpc-js'
import type { Outcome } from '../resilience/outcome.js'

// Failures as Envoy takes them, which counts what maps to a 5xx of HTTP, and Linkerd. UNIMPLEMENTED is another one to
// Envoy (501); here it says nothing: it is what a server of another service answers, or one that is older than its caller.
const OUTCOMES: ReadonlyMap<Status, Outcome> = new Map<Status, Outcome>([
  [Status.UNAVAILABLE, 'remote_failure'],
  [Status.DEADLINE_EXCEEDED, 'remote_failure'],
  [Status.INTERNAL, 'remote_failure'],
  [Status.UNKNOWN, 'remote_failure'],
  [Status.DATA_LOSS, 'remote_failure'],
  [Status.RESOURCE_EXHAUSTED, 'overloaded'],
  [Status.CANCELLED, 'ignored'],
  [Status.UNIMPLEMENTED, 'ignored'],
])

/** How an attempt went that its endpoint ended by this code; all that is not listed is the caller's doing, and well answered. */
export function outcomeOfStatus(code: Status): Outcome {
  return OUTCOMES.get(code) ?? 'success'
}
