/** What is known of one level. */
export interface LevelHealth {
  /** Instances that can be sent requests. */
  readonly usable: number
  /** All that would be sent requests but for our own judgement of them. */
  readonly members: number
  /** All that are registered, usable or not. */
  readonly known: number
}

/**
 * A level carries all of its load as long as this share of it, in percent of what is healthy, is 100 or more: down to
 * 72%. Envoy's default.
 */
const OVERPROVISIONING_PERCENT = 140

/**
 * How much of the load goes to each level, in whole percent; pure. A level's health is `min(100, 1.4 x healthy)`; the
 * first takes as much as its health is, the next of the rest, and so on. Where they are less than 100 in sum, they
 * carry it all in proportion, and what rounding leaves goes to those that it took most from, of equals to the first.
 * All are 0 where nothing is healthy, else their sum is 100.
 * Source: Envoy, `priority.rst` and `panic_threshold.rst`, whose tables the tests repeat. Envoy itself gives all that
 * rounding leaves to the first level: 37, 35, 28 where its table has 36, 36, 28. We keep to the table.
 */
export function levelLoads(levels: readonly LevelHealth[]): readonly number[] {
  const healths = levels.map(healthOf)
  const total = sumOf(healths)
  return total < 100 ? inProportion(healths, total) : inOrder(healths)
}

/**
 * Which levels are in panic: so few of their members are usable that the load goes to all of them; pure. None is while
 * the levels together are healthy enough to carry it.
 *
 * @param threshold The share of members below which it is so few. 0: never.
 */
export function panics(levels: readonly LevelHealth[], threshold: number): readonly boolean[] {
  const carried = sumOf(levels.map(healthOf)) >= 100
  return levels.map(({ usable, members }) => !carried && usable < members * threshold)
}

/** How much of the load goes to each level where all of them are in panic: by the number of members. Pure. */
export function panicLoads(levels: readonly LevelHealth[]): readonly number[] {
  const members = levels.map(({ members }) => members)
  return inProportion(members, sumOf(members))
}

function healthOf({ usable, known }: LevelHealth): number {
  return known === 0 ? 0 : Math.min(100, Math.trunc((OVERPROVISIONING_PERCENT * usable) / known))
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}

/** Each takes what it can of what those before it leave. */
function inOrder(healths: readonly number[]): readonly number[] {
  let left = 100
  return healths.map((health) => {
    const load = Math.min(left, health)
    left -= load
    return load
  })
}

/** 100 in the proportion of `parts`, by largest remainders. */
function inProportion(parts: readonly number[], total: number): readonly number[] {
  if (total === 0) return parts
  const loads = parts.map((part) => Math.trunc((part * 100) / total))
  const left = 100 - loads.reduce((sum, load) => sum + load, 0)
  const remainders = parts.map((part, level) => ({ level, remainder: (part * 100) % total }))
  // A sort is stable: of equal remainders the first level comes first.
  remainders.sort((a, b) => b.remainder - a.remainder)
  const raised = new Set(remainders.slice(0, left).map(({ level }) => level))
  return loads.map((load, level) => (raised.has(level) ? load + 1 : load))
}
