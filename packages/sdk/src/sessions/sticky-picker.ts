import { explainPick } from '../balance/explain-pick.js'
import { eligible, type PickContext, type PickReport } from '../balance/picker.js'
import type { Prioritized, PriorityPicker } from '../balance/priorities/priorities.js'
import type { Sessions } from './sessions.js'

/**
 * Sends a request to the endpoint that its session is on, and where it has none, or that endpoint is gone, unavailable or
 * tried, to the one that the balancer picks. Stands around priorities, weights and retention: none of them moves a session.
 */
export class StickyPicker<E extends Prioritized> implements PriorityPicker<E> {
  readonly #next: PriorityPicker<E>
  readonly #sessions: Sessions<E>

  constructor(next: PriorityPicker<E>, sessions: Sessions<E>) {
    this.#next = next
    this.#sessions = sessions
  }

  get needsRefresh(): boolean {
    return this.#next.needsRefresh
  }

  get inPanic(): readonly number[] {
    return this.#next.inPanic
  }

  pick(context: PickContext<E>): E | undefined {
    const session = this.#sessions.read(context.headers)
    if (session === undefined) return this.#next.pick(context)
    const endpoint = this.#sessions.find(session)
    return endpoint !== undefined && mayTake(endpoint, context) ? endpoint : this.#next.pick(context)
  }

  refresh(now: number): void {
    this.#next.refresh(now)
  }

  close(): void {
    this.#next.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const session = this.#sessions.read(context.headers)
    const endpoint = session === undefined ? undefined : this.#sessions.find(session)
    if (endpoint === undefined) {
      report.step(
        session === undefined
          ? 'the request has no session'
          : 'the session of the request is of an endpoint that is gone: the balancer picks one',
      )
    } else if (mayTake(endpoint, context)) {
      report.step('the session of the request is on it')
      return endpoint
    } else {
      report.skipped(endpoint, `the session of the request is on it, but ${whyNot(endpoint, context)}`)
    }
    return explainPick(this.#next, context, report)
  }
}

/** Also of a session: what is retained although no longer listed gets nothing that must not be sent to a stranger. */
function mayTake<E extends Prioritized>(endpoint: E, context: PickContext<E>): boolean {
  return eligible(endpoint, context) && !(endpoint.retained && context.idempotent === false)
}

function whyNot<E extends Prioritized>(endpoint: E, context: PickContext<E>): string {
  if (!endpoint.available) return 'it is unavailable'
  return eligible(endpoint, context)
    ? 'it is retained although no longer listed, and gets idempotent requests only'
    : 'it has failed this request'
}
