import type { ExcludedInstance, Snapshot } from '../discovery/resolver.js'
import { few } from '../logger.js'
import type { Freshness } from '../observe/events.js'

/** After a set, `savedAt` a time where it comes from disk. */
export function afterSet(before: Freshness, savedAt: number | undefined): Freshness {
  if (savedAt === undefined) return { kind: 'fresh' }
  return { kind: 'disk', savedAt, cause: before.cause }
}

/** After discovery has failed: what there is becomes no better by failing again. */
export function afterFailure(before: Freshness, cause: Error, now: number): Freshness {
  return before.kind === 'fresh' ? { kind: 'stale', since: now, cause } : { ...before, cause }
}

/** Is this failure news: the first of an outage? */
export function isFirstFailure(before: Freshness): boolean {
  return before.cause === undefined
}

/** Why there is no endpoint, for an error message: cannot be asked, knows none, or has none that is healthy. */
export function whyEmpty(
  resolver: string,
  freshness: Freshness,
  { excluded, empty = 'knows no instance of that name' }: Pick<Snapshot, 'excluded' | 'empty'>,
): string {
  if (freshness.kind === 'waiting') return freshness.cause?.message ?? `${resolver} has not answered yet`
  const known =
    excluded.length === 0
      ? `${resolver} ${empty}`
      : `${resolver} knows ${excluded.length}, none of them usable: ${few(excluded, shown).join(', ')}`
  const { cause } = freshness
  return cause === undefined ? known : `${known}; that is stale, as ${cause.message}`
}

function shown({ key, reason }: ExcludedInstance): string {
  return `${key} (${reason})`
}
