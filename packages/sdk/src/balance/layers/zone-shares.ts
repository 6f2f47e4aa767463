/** What is known of one zone. */
export interface ZoneCapacity {
  /** Weight of its endpoints that can be sent requests, in sum. */
  readonly capacity: number
  readonly own: boolean
}

/**
 * How much of a client's requests goes to each zone, in sum 1 where any zone has capacity; pure.
 * The client keeps to its own zone as far as that has the capacity for all clients in it, and what is above goes to zones
 * that have more capacity than their clients need, in proportion to what they have to spare. So each zone gets, from all
 * clients together, what its capacity is.
 * Source: Envoy, `zone_aware.rst`, where the share of callers in a zone is known from their own cluster.
 *
 * @param ownCallers Which part of all clients is in this client's zone, 0 to 1; the rest is evenly among the others.
 */
export function zoneShares(zones: readonly ZoneCapacity[], ownCallers: number): readonly number[] {
  const total = zones.reduce((sum, { capacity }) => sum + capacity, 0)
  if (total === 0) return zones.map(() => 0)
  const otherCallers = (1 - ownCallers) / Math.max(1, zones.length - 1)
  const needs = zones.map(({ own }) => (own ? ownCallers : otherCallers))
  const parts = zones.map(({ capacity }) => capacity / total)
  const home = zones.findIndex(({ own }) => own)
  const kept = Math.min(1, (parts[home] ?? 0) / (needs[home] ?? 1))
  const spare = parts.map((part, zone) => (zone === home ? 0 : Math.max(0, part - (needs[zone] ?? 0))))
  const spared = spare.reduce((sum, part) => sum + part, 0)
  // Where no other zone has anything to spare, rounding aside there is nothing to give away.
  if (spared === 0) return zones.map(({ own }) => (own ? 1 : 0))
  return zones.map(({ own }, zone) => (own ? kept : ((1 - kept) * (spare[zone] ?? 0)) / spared))
}
