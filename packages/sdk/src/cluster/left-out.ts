import type { ExcludedInstance } from '../discovery/resolver.js'

/** How many of each level could be used, and are not. */
export function countLeftOut(excluded: readonly ExcludedInstance[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const { kind, priority } of excluded)
    if (kind !== 'unusable') counts.set(priority, (counts.get(priority) ?? 0) + 1)
  return counts
}

export function sameCounts(a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): boolean {
  return a.size === b.size && [...a].every(([level, count]) => b.get(level) === count)
}
