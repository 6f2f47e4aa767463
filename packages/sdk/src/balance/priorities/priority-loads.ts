/** What is known of one priority. */
export interface PriorityHealth {
  /** Endpoints that can be sent requests. */
  readonly available: number
  /** All that would be sent requests but for their judges. */
  readonly members: number
  /** All that are registered, available or not. */
  readonly known: number
}

/**
 * A priority carries all of its load as long as this share of it, in percent of what is healthy, is 100 or more: down to
 * 72%. Envoy's default.
 */
const OVERPROVISIONING_PERCENT = 140

/**
 * How much of the load goes to each priority, in whole percent; pure. A priority's health is `min(100, 1.4 x healthy)`; the
 * first takes as much as its health is, the next of the rest, and so on. Where they are less than 100 in sum, they
 * carry it all in proportion, and what rounding leaves goes to those that it took most from, of equals to the first.
 * All are 0 where nothing is healthy, else their sum is 100.
 * Source: Envoy, `priority.rst` and `panic_threshold.rst`, whose tables the tests repeat. Envoy itself gives all that
 * rounding leaves to the first priority: 37, 35, 28 where its table has 36, 36, 28. We keep to the table.
 */
export function priorityLoads(priorities: readonly PriorityHealth[]): readonly number[] {
  const healths = priorities.map(healthOf)
  const total = sumOf(healths)
  return total < 100 ? inProportion(healths, total) : inOrder(healths)
}

/**
 * Which priorities are in panic: so few of their members are available that the load goes to all of them; pure. None is while
 * the priorities together are healthy enough to carry it.
 *
 * @param threshold The share of members below which it is so few. 0: never.
 */
export function panics(priorities: readonly PriorityHealth[], threshold: number): readonly boolean[] {
  const carried = sumOf(priorities.map(healthOf)) >= 100
  return priorities.map(({ available, members }) => !carried && available < members * threshold)
}

/** How much of the load goes to each priority where all of them are in panic: by the number of members. Pure. */
export function panicLoads(priorities: readonly PriorityHealth[]): readonly number[] {
  const members = priorities.map(({ members }) => members)
  return inProportion(members, sumOf(members))
}

function healthOf({ available, known }: PriorityHealth): number {
  return known === 0 ? 0 : Math.min(100, Math.trunc((OVERPROVISIONING_PERCENT * available) / known))
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
  const remainders = parts.map((part, priority) => ({ priority, remainder: (part * 100) % total }))
  // A sort is stable: of equal remainders the first priority comes first.
  remainders.sort((a, b) => b.remainder - a.remainder)
  const raised = new Set(remainders.slice(0, left).map(({ priority }) => priority))
  return loads.map((load, priority) => (raised.has(priority) ? load + 1 : load))
}
