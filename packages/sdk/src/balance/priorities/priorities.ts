import { below, type Random } from '../../random.js'
import { levelLoads, panicLoads, panics, type LevelHealth } from './priority-loads.js'
import {
  registeredWeight,
  type Balancer,
  type Candidate,
  type PickContext,
  type Picker,
  type PickReport,
} from '../picker.js'
import { explainPick } from '../explain-pick.js'
import { roundRobin } from '../policies/round-robin.js'

/** An endpoint with its place among the tiers. */
export interface Tiered extends Candidate {
  /** Discovery no longer lists it. */
  readonly reserved: boolean
  /** Our own judgement of it: false while its circuit is open. Pure. */
  readonly usable: boolean
  /** For which requests it is available whatever our judgement of it; written by the tiers. */
  panic: Panic
}

/**
 * Our judgement of an endpoint is set aside for no request; for those that may not go to what is retained, as only that
 * is usable; or for all of them.
 */
export type Panic = 'none' | 'unsafe' | 'all'

/** What is known besides the endpoints. */
export interface TierContext {
  /** How many instances of each level are registered and left out. */
  readonly leftOut: ReadonlyMap<number, number>
  /** Below this share of usable endpoints a level is balanced over all; 0: never. */
  readonly panicThreshold: number
}

/** A picker over tiers. `refresh` must be called when the availability of an endpoint has changed. */
export interface TieredPicker<E extends Candidate> extends Picker<E> {
  /** Have the pickers behind it to be refreshed as time passes? */
  readonly ages: boolean
  /** The levels that are in panic, for all requests or for those that are not idempotent; the first first. */
  readonly panicking: readonly number[]
  refresh(now: number): void
}

/**
 * Puts a balancer behind each level and, in this order, what is sent requests only where the tiers before it have no
 * eligible endpoint: other levels, endpoints of weight 0 (Consul's weight for a warning may be 0), and those in
 * reserve; of the last two the first level first.
 * Where our own judgement leaves too few of a level, it is set aside (panic); Consul's never is. Where all that is left
 * is retained, a request that may not go there meets the panic, as if that were not there.
 * Must stand around every balancer, so that no policy has to divide by a weight of zero or to know of levels.
 */
export function tiers<E extends Tiered>(
  balancer: Balancer,
  endpoints: readonly E[],
  { leftOut, panicThreshold }: TierContext,
  random: Random,
): TieredPicker<E> {
  const used = new Groups<E>()
  const weightless = new Groups<E>()
  const reserved = new Groups<E>()
  for (const endpoint of endpoints) {
    const { weight } = endpoint.instance
    const group = endpoint.reserved ? reserved : weight > 0 ? used : weightless
    group.add(endpoint)
    endpoint.panic = 'none'
  }
  const levels = used.inOrder().map(([priority, members]) => ({
    priority,
    members,
    picker: balancer(members, random, registeredWeight),
    retained: false,
    known: members.length + weightless.sizeOf(priority) + (leftOut.get(priority) ?? 0),
  }))
  const lastResorts = [...weightless.inOrder(), ...reserved.inOrder()].map(([, members]) => ({
    members,
    picker: roundRobin(members, random),
    retained: members.some((member) => member.reserved),
  }))
  return new TiersPicker(levels, lastResorts, panicThreshold, random)
}

interface Tier<E extends Candidate> {
  readonly members: readonly E[]
  readonly picker: Picker<E>
  /** Its members are no longer listed: their addresses may be another service's by now. */
  readonly retained: boolean
}

interface Level<E extends Candidate> extends Tier<E> {
  readonly priority: number
  /** All that are registered at this level, whatever their state. */
  readonly known: number
}

const WHY: Readonly<Record<Exclude<Panic, 'none'>, string>> = {
  all: 'too few of it are usable, so that all of it are used',
  unsafe: 'only what is retained is usable, so that requests that are not idempotent get all of it',
}

/** Shares the load out among levels by how healthy they are, then takes what there is. */
class TiersPicker<E extends Tiered> implements TieredPicker<E> {
  readonly ages: boolean
  readonly #levels: readonly Level<E>[]
  readonly #lastResorts: readonly Tier<E>[]
  /** Levels, then last resorts. */
  readonly #order: readonly Tier<E>[]
  readonly #panicThreshold: number
  readonly #random: Random
  /** What nearly every service has: one level. */
  readonly #only: Picker<E> | undefined
  /** Each percent of the load, and the picker it goes to. */
  #percents: readonly Picker<E>[] = []
  #loads: readonly number[] = []
  #panics: readonly Panic[]

  constructor(
    levels: readonly Level<E>[],
    lastResorts: readonly Tier<E>[],
    panicThreshold: number,
    random: Random,
  ) {
    this.ages = levels.some(({ picker }) => picker.refresh !== undefined)
    this.#levels = levels
    this.#lastResorts = lastResorts
    this.#order = [...levels, ...lastResorts]
    this.#panicThreshold = panicThreshold
    this.#random = random
    this.#only = levels.length === 1 ? levels[0]?.picker : undefined
    this.#panics = levels.map(() => 'none')
    this.#share()
  }

  get panicking(): readonly number[] {
    return this.#levels.filter((_, level) => this.#panics[level] !== 'none').map(({ priority }) => priority)
  }

  pick(context: PickContext<E>): E | undefined {
    const picker = this.#only ?? this.#percents[below(this.#percents.length, this.#random)]
    return (
      picker?.pick(context) ??
      pickInOrder(this.#only === undefined ? this.#order : this.#lastResorts, context) ??
      this.#pickInPanic(context)
    )
  }

  refresh(now: number): void {
    this.#share()
    for (const { picker } of this.#levels) picker.refresh?.(now)
  }

  close(): void {
    for (const { picker } of this.#order) picker.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    this.#levels.forEach(({ priority }, level) => {
      const panic = this.#panics[level] ?? 'none'
      if (panic !== 'none') report.step(`level ${priority} is in panic: ${WHY[panic]}`)
    })
    const level = this.#percents[below(this.#percents.length, this.#random)]
    const place = this.#levels.findIndex(({ picker }) => picker === level)
    if (this.#levels.length > 1 && place >= 0) {
      report.step(
        `level ${String(this.#levels[place]?.priority)}, which gets ${String(this.#loads[place])}% of the load`,
      )
    }
    const endpoint = level === undefined ? undefined : explainPick(level, context, report)
    if (endpoint !== undefined) return endpoint
    report.step(
      'nobody is eligible there: the other levels, then weight 0, then the reserve (idempotent requests only), in this order',
    )
    return pickInOrder(this.#order, context) ?? this.#pickInPanic(context)
  }

  #share(): void {
    // What is half open counts as usable: a level without a share would never get the request that probes it.
    const healths = this.#levels.map(({ members, known }) => ({
      usable: countUsable(members),
      members: members.length,
      known,
    }))
    const panicking = this.#panicsAmong(healths)
    panicking.forEach((panic, level) => {
      if (panic !== this.#panics[level]) setPanic(this.#levels[level]?.members ?? [], panic)
    })
    this.#panics = panicking
    this.#loads = panicking.includes('none') ? levelLoads(healths) : panicLoads(healths)
    this.#percents = this.#levels.flatMap(({ picker }, level) =>
      Array.from({ length: this.#loads[level] ?? 0 }, () => picker),
    )
  }

  #panicsAmong(healths: readonly LevelHealth[]): readonly Panic[] {
    // Before it comes to that there are the last resorts, if anybody is usable there: what is retained, for whom it may.
    const resorts = healths.every(({ usable }) => usable === 0) ? this.#lastResorts.filter(hasUsable) : []
    if (resorts.some(({ retained }) => !retained)) return healths.map(() => 'none')
    const panic = resorts.length > 0 ? 'unsafe' : 'all'
    return panics(healths, this.#panicThreshold).map((panics) => (panics ? panic : 'none'))
  }

  /** For a request that must not go to what is retained, where nothing else is usable: O(n), with every circuit open. */
  #pickInPanic(context: PickContext<E>): E | undefined {
    if (context.idempotent !== false || !this.#panics.includes('unsafe')) return undefined
    const level = this.#percents[below(this.#percents.length, this.#random)]
    this.#setUnsafe('all')
    // A balancer may be anybody's, and throw.
    try {
      return level?.pick(context) ?? pickInOrder(this.#levels, context)
    } finally {
      this.#setUnsafe('unsafe')
    }
  }

  /** In the levels whose panic is for requests that are not idempotent. */
  #setUnsafe(panic: Panic): void {
    this.#levels.forEach(({ members }, level) => {
      if (this.#panics[level] === 'unsafe') setPanic(members, panic)
    })
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

function pickInOrder<E extends Candidate>(tiers: readonly Tier<E>[], context: PickContext<E>): E | undefined {
  for (const { picker, retained } of tiers) {
    if (retained && context.idempotent === false) continue
    const endpoint = picker.pick(context)
    if (endpoint !== undefined) return endpoint
  }
  return undefined
}

function countUsable(endpoints: readonly Tiered[]): number {
  let count = 0
  for (const { usable } of endpoints) if (usable) count++
  return count
}

function hasUsable({ members }: Tier<Tiered>): boolean {
  return members.some(({ usable }) => usable)
}

function setPanic(endpoints: readonly Tiered[], panic: Panic): void {
  for (const endpoint of endpoints) endpoint.panic = panic
}
