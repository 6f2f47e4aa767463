import type { Availability } from '../resilience/judge.js'

/** Why endpoints are unavailable, for an error message: how many for which reason, and when the first may be over. */
export function whyUnavailable(
  endpoints: readonly { readonly availability: Availability }[],
  now: number,
): string {
  const counts = new Map<string, number>()
  let soonest = Infinity
  for (const { availability } of endpoints) {
    const { reason, until } = availability
    if (reason === undefined) continue
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
    soonest = Math.min(soonest, until ?? Infinity)
  }
  const reasons = [...counts].map(([reason, count]) => `${reason} (${count})`).join(', ')
  return soonest === Infinity
    ? reasons
    : `${reasons}, the first until ${Math.max(0, Math.ceil(soonest - now))} ms from now`
}
