/** What is known of one level. */
export interface LevelHealth {
  /** Instances that can be sent requests. */
  readonly usable: number
  /** All that are registered, usable or not. */
  readonly known: number
}

/**
 * A level carries all of its load as long as this many times its healthy share is 100% or more, that is down to 72%.
 * Envoy's default.
 */
const OVERPROVISIONING = 1.4

/**
 * How much of the load goes to each level, in percent; pure. A level's health is `min(100, 1.4 x healthy)`; the
 * first takes as much as its health is, the next of the rest, and so on. Where they are less than 100 in sum, they
 * carry it all in proportion.
 * Source: Envoy, `overprovisioning.rst` and `priority.rst`, which have the tables that the tests repeat.
 */
export function levelLoads(levels: readonly LevelHealth[]): readonly number[] {
  const healths = levels.map(({ usable, known }) =>
    known === 0 ? 0 : Math.min(100, Math.trunc((OVERPROVISIONING * 100 * usable) / known)),
  )
  const total = Math.min(
    100,
    healths.reduce((sum, health) => sum + health, 0),
  )
  if (total === 0) return healths
  let left = 100
  const loads = healths.map((health) => {
    const load = Math.min(left, Math.trunc((health * 100) / total))
    left -= load
    return load
  })
  // What rounding leaves goes to the first that has any health.
  const first = healths.findIndex((health) => health > 0)
  return loads.map((load, level) => (level === first ? load + left : load))
}
