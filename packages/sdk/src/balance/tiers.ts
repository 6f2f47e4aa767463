import { below, type Random } from '../random.js'
import { levelLoads } from './level-loads.js'
import type { Balancer, Candidate, PickContext, Picker } from './picker.js'
import { roundRobin } from './round-robin.js'

/** An endpoint with its place among the tiers. */
export interface Tiered extends Candidate {
  /** Discovery no longer lists it. */
  readonly reserved: boolean
}

/** What is known besides the endpoints. */
export interface TierContext {
  /** How many instances of each level are registered and left out. */
  readonly leftOut: ReadonlyMap<number, number>
}

/** A picker over tiers; told when what its shares are made of has changed. */
export interface TieredPicker<E extends Candidate> extends Picker<E> {
  /** The availability of an endpoint has changed. */
  refresh(): void
}

/**
 * Puts a balancer behind each level and, in this order, what is sent requests only where the tiers before it have no
 * eligible endpoint: other levels, endpoints of weight 0 (Consul's weight for a warning may be 0), and those in reserve.
 * Must stand around every balancer, so that no policy has to divide by a weight of zero or to know of levels.
 */
export function tiers<E extends Tiered>(
  balancer: Balancer,
  endpoints: readonly E[],
  { leftOut }: TierContext,
  random: Random,
): TieredPicker<E> {
  const byPriority = new Map<number, E[]>()
  const weightless: E[] = []
  const reserved: E[] = []
  for (const priority of leftOut.keys()) byPriority.set(priority, [])
  for (const endpoint of endpoints) {
    const { weight, priority } = endpoint.instance
    if (endpoint.reserved) reserved.push(endpoint)
    else if (weight === 0) weightless.push(endpoint)
    else listOf(byPriority, priority).push(endpoint)
  }
  const levels = [...byPriority]
    .sort(([a], [b]) => a - b)
    .map(([priority, members]) => {
      const picker = members.length === 0 ? undefined : balancer(members, random)
      return { members, picker, leftOut: leftOut.get(priority) ?? 0 }
    })
  const lastResorts = [weightless, reserved].filter((members) => members.length > 0)
  const used = levels.filter(({ picker }) => picker !== undefined)
  const reserves = lastResorts.map((members) => roundRobin(members, random))
  return used.length > 1
    ? new LevelsPicker(levels, reserves, random)
    : new OrderPicker([...used.flatMap(({ picker }) => picker ?? []), ...reserves])
}

function listOf<E>(lists: Map<number, E[]>, priority: number): E[] {
  const known = lists.get(priority)
  if (known !== undefined) return known
  const made: E[] = []
  lists.set(priority, made)
  return made
}

/** The first that has an endpoint: what nearly every service needs. */
class OrderPicker<E extends Candidate> implements TieredPicker<E> {
  readonly #first: Picker<E> | undefined
  readonly #rest: readonly Picker<E>[]

  constructor([first, ...rest]: readonly Picker<E>[]) {
    this.#first = first
    this.#rest = rest
  }

  pick(context: PickContext<E>): E | undefined {
    return this.#first?.pick(context) ?? pickInOrder(this.#rest, context)
  }

  refresh(): void {
    // Shares nothing out.
  }
}

interface Level<E extends Candidate> {
  readonly members: readonly E[]
  readonly picker: Picker<E> | undefined
  readonly leftOut: number
}

/** Shares the load out among levels by how healthy they are. */
class LevelsPicker<E extends Candidate> implements TieredPicker<E> {
  readonly #levels: readonly Level<E>[]
  readonly #order: readonly Picker<E>[]
  readonly #random: Random
  /** Each percent of the load, and the picker it goes to. */
  #percents: readonly Picker<E>[] = []

  constructor(levels: readonly Level<E>[], reserves: readonly Picker<E>[], random: Random) {
    this.#levels = levels
    this.#order = [...levels.flatMap(({ picker }) => picker ?? []), ...reserves]
    this.#random = random
    this.refresh()
  }

  pick(context: PickContext<E>): E | undefined {
    const picker = this.#percents[below(this.#percents.length, this.#random)]
    return picker?.pick(context) ?? pickInOrder(this.#order, context)
  }

  refresh(): void {
    const loads = levelLoads(
      this.#levels.map(({ members, leftOut }) => ({
        usable: members.filter(({ available }) => available).length,
        known: members.length + leftOut,
      })),
    )
    this.#percents = this.#levels.flatMap(({ picker }, level) =>
      picker === undefined ? [] : Array.from({ length: loads[level] ?? 0 }, () => picker),
    )
  }
}

function pickInOrder<E extends Candidate>(
  pickers: readonly Picker<E>[],
  context: PickContext<E>,
): E | undefined {
  for (const picker of pickers) {
    const endpoint = picker.pick(context)
    if (endpoint !== undefined) return endpoint
  }
  return undefined
}
