import { explainPick } from '../balance/explain-pick.js'
import { eligible, type PickContext, type PickReport } from '../balance/picker.js'
import type { Tiered, TieredPicker } from '../balance/priorities/priorities.js'
import type { Sessions } from './sessions.js'

/**
 * Sends a request to the endpoint that its session is on, and where it has none, or that endpoint is gone, open or
 * tried, to whom the balancer picks. Stands around levels, weights and the reserve: none of them moves a session.
 */
export class StickyPicker<E extends Tiered> implements TieredPicker<E> {
  readonly #next: TieredPicker<E>
  readonly #sessions: Sessions<E>

  constructor(next: TieredPicker<E>, sessions: Sessions<E>) {
    this.#next = next
    this.#sessions = sessions
  }

  get ages(): boolean {
    return this.#next.ages
  }

  get panicking(): readonly number[] {
    return this.#next.panicking
  }

  pick(context: PickContext<E>): E | undefined {
    const { session } = context
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
    const { session } = context
    const endpoint = session === undefined ? undefined : this.#sessions.find(session)
    if (endpoint === undefined) {
      report.step(
        session === undefined
          ? 'the request has no session'
          : 'the session of the request is of no endpoint that is there: the balancer picks one',
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
function mayTake<E extends Tiered>(endpoint: E, context: PickContext<E>): boolean {
  return eligible(endpoint, context) && !(endpoint.reserved && context.idempotent === false)
}

function whyNot<E extends Tiered>(endpoint: E, context: PickContext<E>): string {
  if (!endpoint.available) return 'its circuit is open'
  return eligible(endpoint, context)
    ? 'it is in reserve, and gets idempotent requests only'
    : 'it has failed this request'
}
