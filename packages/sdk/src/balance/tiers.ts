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
 * eligible endpoint: other levels, endpoints of weight 0 (Consul's weight for a warning may be 0), and those in
 * reserve; of the last two the first level first.
 * Must stand around every balancer, so that no policy has to divide by a weight of zero or to know of levels.
 */
export function tiers<E extends Tiered>(
  balancer: Balancer,
  endpoints: readonly E[],
  { leftOut }: TierContext,
  random: Random,
): TieredPicker<E> {
  const used = new Groups<E>()
  const weightless = new Groups<E>()
  const reserved = new Groups<E>()
  for (const endpoint of endpoints) {
    const { weight } = endpoint.instance
    const group = endpoint.reserved ? reserved : weight > 0 ? used : weightless
    group.add(endpoint)
  }
  const levels = used.inOrder().map(([priority, members]) => ({
    members,
    picker: balancer(members, random),
    known: members.length + weightless.sizeOf(priority) + (leftOut.get(priority) ?? 0),
  }))
  const lastResorts = [...weightless.inOrder(), ...reserved.inOrder()]
  const order = [
    ...levels.map(({ picker }) => picker),
    ...lastResorts.map(([, members]) => roundRobin(members, random)),
  ]
  return levels.length > 1 ? new LevelsPicker(levels, order, random) : new OrderPicker(order)
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
  readonly picker: Picker<E>
  /** All that are registered at this level, whatever their state. */
  readonly known: number
}

/** Shares the load out among levels by how healthy they are. */
class LevelsPicker<E extends Candidate> implements TieredPicker<E> {
  readonly #levels: readonly Level<E>[]
  readonly #order: readonly Picker<E>[]
  readonly #random: Random
  /** Each percent of the load, and the picker it goes to. */
  #percents: readonly Picker<E>[] = []

  constructor(levels: readonly Level<E>[], order: readonly Picker<E>[], random: Random) {
    this.#levels = levels
    this.#order = order
    this.#random = random
    this.refresh()
  }

  pick(context: PickContext<E>): E | undefined {
    const picker = this.#percents[below(this.#percents.length, this.#random)]
    return picker?.pick(context) ?? pickInOrder(this.#order, context)
  }

  refresh(): void {
    // What is half open counts as usable: a level without a share would never get the request that probes it.
    const loads = levelLoads(
      this.#levels.map(({ members, known }) => ({
        usable: members.filter(({ available }) => available).length,
        known,
      })),
    )
    this.#percents = this.#levels.flatMap(({ picker }, level) =>
      Array.from({ length: loads[level] ?? 0 }, () => picker),
    )
  }
}

/** Endpoints by level. */
class Groups<E extends Candidate> {
  readonly #members = new Map<number, E[]>()

  add(endpoint: E): void {
    const { priority } = endpoint.instance
    const peers = this.#members.get(priority)
    if (peers === undefined) this.#members.set(priority, [endpoint])
    else peers.push(endpoint)
  }

  sizeOf(priority: number): number {
    return this.#members.get(priority)?.length ?? 0
  }

  /** The first level first. */
  inOrder(): readonly (readonly [number, readonly E[]])[] {
    return [...this.#members].sort(([a], [b]) => a - b)
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
