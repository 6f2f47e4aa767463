import { systemClock, type Clock } from '../clock.js'
import { invalidOption } from '../validation/invalid-option.js'
import { requireKnown } from '../validation/known-names.js'
import { currentDeadline, within } from './current-deadline.js'
import { Deadline } from './deadline.js'

/** How a deadline is measured. */
export interface WithDeadlineOptions {
  /** For tests. Default: the machine's. */
  readonly clock?: Clock | undefined
}

/**
 * Runs work that has to be done by a deadline: every call of every client that the work makes, in whatever it awaits or
 * schedules, takes the time that is left where that is less than its own `timeoutMs`, and fails at once with
 * `DEADLINE_EXCEEDED` where none is left. Within another deadline the earlier one holds. The work itself is not ended:
 * `currentDeadline()` tells it how much time it has.
 *
 * @param deadline Milliseconds from now, or one of `currentDeadline()`, to carry it to where the async context was lost.
 *   0 and less: it is over. `Infinity`: none.
 * @returns What the work returns.
 * @throws FairleadError `INVALID_OPTION`; whatever the work throws.
 * @example
 * ```ts
 * import { createClient, withDeadline } from '@fairlead/sdk'
 *
 * const orders = createClient('orders')
 * const payments = createClient('payments')
 * const both = await withDeadline(500, () =>
 *   Promise.all([orders.fetch('/v1/orders/42'), payments.fetch('/v1/payments?order=42')]),
 * )
 * console.log(both.map(({ status }) => status))
 * ```
 */
export function withDeadline<T>(
  deadline: number | Deadline,
  work: () => T,
  options: WithDeadlineOptions = {},
): T {
  requireKnown('withDeadline', options, ['clock'])
  if (typeof work !== 'function') throw invalidOption('what withDeadline runs', work, 'a function')
  if (deadline === Infinity) return work()
  return within(deadline instanceof Deadline ? deadline : startingNow(deadline, options.clock), work)
}

function startingNow(ms: unknown, clock: Clock = systemClock): Deadline {
  if (typeof ms !== 'number' || Number.isNaN(ms))
    throw invalidOption(
      'deadline of withDeadline',
      ms,
      'milliseconds from now, or what currentDeadline() returns',
    )
  // What it goes out by is the incoming request's matter, also where this is earlier; so is whether that is a retry.
  const { receivedBy = [], ofRetry = false } = currentDeadline() ?? {}
  return new Deadline(clock, clock.now() + ms, `withDeadline, ${ms} ms`, receivedBy, ofRetry)
}
