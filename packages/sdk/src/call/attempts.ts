import type { Endpoint } from '../endpoint/endpoint.js'
import type { HttpAttempt } from '../endpoint/http-attempt.js'
import type { Outcome } from '../resilience/outcome.js'

/** The attempts of a call: the latest, which leads to the one before it. Undefined: there was none. */
export type Attempts = HttpAttempt<Endpoint> | undefined

/** Those that are under way and whose answer is wanted, the latest first. */
export function pending(latest: Attempts): readonly HttpAttempt<Endpoint>[] {
  return unended(latest).filter(({ discarded }) => !discarded)
}

/**
 * Ends all that are under way, by what it says of their endpoints; they are told apart before `between` runs, and are
 * cancelled after it.
 */
export function cancelAll(
  latest: Attempts,
  reason: Error,
  outcomeOf: (attempt: HttpAttempt<Endpoint>) => Outcome,
  between: () => void,
): void {
  const cancelled = unended(latest).map((attempt) => [attempt, outcomeOf(attempt)] as const)
  between()
  for (const [attempt, outcome] of cancelled) attempt.cancel(reason, outcome)
}

function unended(latest: Attempts): readonly HttpAttempt<Endpoint>[] {
  const found: HttpAttempt<Endpoint>[] = []
  for (let each = latest; each !== undefined; each = each.previous) if (!each.ended) found.push(each)
  return found
}
