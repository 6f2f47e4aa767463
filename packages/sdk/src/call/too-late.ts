import type { Pass } from '../admission/pass.js'
import type { Deadline } from '../deadline/deadline.js'
import { FairleadError } from '../errors.js'

/** What is told of a call whose time is over. */
interface LateCall {
  readonly title: string
  readonly service: string
  readonly errors: readonly Error[]
  readonly attempts: number
  /** The latest one; undefined: there was none. */
  readonly latest: LateAttempt | undefined
  readonly pass: Pass | undefined
  /** Whose deadline has ended it; undefined: its own `timeoutMs`. */
  readonly boundBy: Deadline | undefined
  readonly timeoutMs: number
}

interface LateAttempt {
  readonly endpoint: { readonly address: string }
  readonly ended: boolean
  readonly carrier: object | undefined
}

/** The deadline has come before the head of a response: what there was until then. */
export function tooLate(call: LateCall): FairleadError {
  const { title, service, errors, latest, pass } = call
  const what =
    latest === undefined
      ? `was ${pass?.inflight === 0 ? 'queued for admission, and ' : ''}not sent ${timeOf(call, 'within')}`
      : `at ${latest.endpoint.address} ${endOf(call, latest)}, attempt ${call.attempts}`
  return new FairleadError('DEADLINE_EXCEEDED', `${title} to ${service} ${what}`, {
    service,
    endpoint: latest?.endpoint.address,
    errors,
  })
}

function endOf(call: LateCall, { ended, carrier }: LateAttempt): string {
  if (ended) return `failed, and could not be retried ${timeOf(call, 'within')}`
  const what =
    carrier === undefined
      ? 'was queued for a connection (option connections.maxPerEndpoint)'
      : 'has no response'
  return `${what} ${timeOf(call, 'after')}`
}

/** Whose time is over, and how much it was. */
function timeOf({ boundBy, timeoutMs }: LateCall, relation: 'after' | 'within'): string {
  return boundBy === undefined
    ? `${relation} ${timeoutMs} ms (option timeoutMs)`
    : `by its deadline (${boundBy.source})`
}
