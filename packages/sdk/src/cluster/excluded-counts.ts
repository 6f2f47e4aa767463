import { addressIn } from '../discovery/place.js'
import type { ExcludedInstance } from '../discovery/resolver.js'

/**
 * How many addresses of each priority could be used, and are not. One that is excluded under several ids counts once, and
 * one that is used under another id not at all.
 *
 * @param isUsed Is this origin one of an endpoint that is listed?
 */
export function countExcluded(
  excluded: readonly ExcludedInstance[],
  isUsed: (origin: string) => boolean,
): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  const seen = new Set<string>()
  for (const { kind, key, priority } of excluded) {
    const address = addressIn(key)
    if (kind === 'unusable' || seen.has(address)) continue
    seen.add(address)
    const host = withBrackets(address)
    if (isUsed(`http://${host}`) || isUsed(`https://${host}`)) continue
    counts.set(priority, (counts.get(priority) ?? 0) + 1)
  }
  return counts
}

/** IPv6 as an origin has it. */
function withBrackets(address: string): string {
  const end = address.lastIndexOf(':')
  return address.indexOf(':') === end || address.startsWith('[')
    ? address
    : `[${address.slice(0, end)}]${address.slice(end)}`
}

export function sameCounts(a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): boolean {
  return a.size === b.size && [...a].every(([priority, count]) => b.get(priority) === count)
}
