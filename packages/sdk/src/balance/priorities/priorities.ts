import { below, type Random } from '../../random.js'
import { panicLoads, panics, priorityLoads, type PriorityHealth } from './priority-loads.js'
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

/** An endpoint, as priorities see it. */
export interface Prioritized extends Candidate {
  /** Discovery no longer lists it. */
  readonly retained: boolean
  /** Do its judges keep requests from it, such as an open circuit? Whatever a panic makes of that. */
  readonly blocked: boolean
  /** Is it proven that it cannot answer? A panic sends nothing there, unless that holds for all. */
  readonly excludedInPanic: boolean
  /** For which requests its judges are set aside; written by the priorities. */
  panic: Panic
}

/**
 * The judges of an endpoint are set aside for no request; for those that may not go to what is retained, as only that is
 * available; or for all of them.
 */
export type Panic = 'none' | 'unsafe' | 'all'

/** What is known besides the endpoints. */
export interface PriorityContext {
  /** How many instances of each priority are registered and excluded. */
  readonly excluded: ReadonlyMap<number, number>
  /** Below this share of available endpoints a priority is balanced over all; 0: never. */
  readonly panicThreshold: number
}

/**
 * A picker over priorities. `refresh` must be called when the availability of an endpoint has changed. A picker behind it
 * that throws in its refresh goes on as it is, and is not refreshed again: what it threw passes on, once, when all else
 * has been refreshed.
 */
export interface PriorityPicker<E extends Candidate> extends Picker<E> {
  /** Do the pickers behind it need a refresh as time passes? */
  readonly needsRefresh: boolean
  /** The priorities that are in panic, for all requests or for those that are not idempotent; the first first. */
  readonly inPanic: readonly number[]
  refresh(now: number): void
}

/**
 * Puts a balancer behind each priority and, in this order, what is sent requests only where what comes before it has no
 * eligible endpoint: other priorities, endpoints of weight 0 (Consul's weight for a warning may be 0), and retained ones;
 * of the last two the first priority first.
 * Where too few of a priority are available, their judges are set aside (panic); Consul's checks never are. Where all
 * that is left is retained, a request that may not go there meets the panic, as if that were not there.
 * Must stand around every balancer, so that no policy has to divide by a weight of zero or to know of priorities.
 */
export function priorities<E extends Prioritized>(
  balancer: Balancer,
  endpoints: readonly E[],
  { excluded, panicThreshold }: PriorityContext,
  random: Random,
): PriorityPicker<E> {
  const used = new Groups<E>()
  const weightless = new Groups<E>()
  const retained = new Groups<E>()
  for (const endpoint of endpoints) {
    const { weight } = endpoint.instance
    const group = endpoint.retained ? retained : weight > 0 ? used : weightless
    group.add(endpoint)
    // Of those in use a panic may go on.
    if (group !== used) endpoint.panic = 'none'
  }
  const inUse = used.inOrder().map(([priority, members]) => ({
    priority,
    members,
    picker: balancer(members, random, registeredWeight),
    retained: false,
    known: members.length + weightless.sizeOf(priority) + (excluded.get(priority) ?? 0),
  }))
  const lastResorts = [...weightless.inOrder(), ...retained.inOrder()].map(([, members]) => ({
    members,
    picker: roundRobin(members, random),
    retained: members.some((member) => member.retained),
  }))
  return new OrderedPicker(inUse, lastResorts, panicThreshold, random)
}

interface Group<E extends Candidate> {
  readonly members: readonly E[]
  readonly picker: Picker<E>
  /** Its members are no longer listed: their addresses may be another service's by now. */
  readonly retained: boolean
}

interface Priority<E extends Candidate> extends Group<E> {
  readonly priority: number
  /** All that are registered of this priority, whatever their state. */
  readonly known: number
}

const WHY: Readonly<Record<Exclude<Panic, 'none'>, string>> = {
  all: 'too few of its endpoints are available, so that all of them are used but those that are stalled',
  unsafe:
    'only retained endpoints are available, so that requests that are not idempotent get all of its endpoints',
}

/** Shares the load out among priorities by how healthy they are, then takes what there is. */
class OrderedPicker<E extends Prioritized> implements PriorityPicker<E> {
  readonly #priorities: readonly Priority<E>[]
  readonly #lastResorts: readonly Group<E>[]
  /** Priorities, then last resorts. */
  readonly #order: readonly Group<E>[]
  readonly #panicThreshold: number
  readonly #random: Random
  /** What nearly every service has: one priority. */
  readonly #only: Picker<E> | undefined
  /** Each percent of the load, and the picker it goes to. */
  #percents: readonly Picker<E>[] = []
  #loads: readonly number[] = []
  /** Those that have thrown in their refresh. */
  readonly #failed = new Set<Picker<E>>()
  #panics: readonly Panic[] = []

  constructor(
    priorities: readonly Priority<E>[],
    lastResorts: readonly Group<E>[],
    panicThreshold: number,
    random: Random,
  ) {
    this.#priorities = priorities
    this.#lastResorts = lastResorts
    this.#order = [...priorities, ...lastResorts]
    this.#panicThreshold = panicThreshold
    this.#random = random
    this.#only = priorities.length === 1 ? priorities[0]?.picker : undefined
    this.#share()
  }

  get needsRefresh(): boolean {
    return this.#priorities.some(({ picker }) => picker.refresh !== undefined && !this.#failed.has(picker))
  }

  get inPanic(): readonly number[] {
    return this.#priorities
      .filter((_, place) => this.#panics[place] !== 'none')
      .map(({ priority }) => priority)
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
    const thrown: unknown[] = []
    for (const { picker } of this.#priorities) {
      if (this.#failed.has(picker)) continue
      try {
        picker.refresh?.(now)
      } catch (error) {
        this.#failed.add(picker)
        thrown.push(error)
      }
    }
    if (thrown.length > 0) throw thrown[0]
  }

  close(): void {
    for (const { picker } of this.#order) picker.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    this.#priorities.forEach(({ priority }, place) => {
      const panic = this.#panics[place] ?? 'none'
      if (panic !== 'none') report.step(`priority ${priority} is in panic: ${WHY[panic]}`)
    })
    const picker = this.#percents[below(this.#percents.length, this.#random)]
    const place = this.#priorities.findIndex((each) => each.picker === picker)
    if (this.#priorities.length > 1 && place >= 0) {
      report.step(
        `priority ${String(this.#priorities[place]?.priority)}, which gets ${String(this.#loads[place])}% of the load`,
      )
    }
    const endpoint = picker === undefined ? undefined : explainPick(picker, context, report)
    if (endpoint !== undefined) return endpoint
    report.step(
      'no endpoint is eligible there: the other priorities, then weight 0, then retained endpoints (idempotent requests only), in this order',
    )
    return pickInOrder(this.#order, context) ?? this.#pickInPanic(context)
  }

  #share(): void {
    // What is half open counts as available: a priority without a share would never get the request that probes it.
    const healths = this.#priorities.map(({ members, known }) => ({
      available: countAvailable(members),
      members: members.length,
      known,
    }))
    const panicking = this.#panicsAmong(healths)
    panicking.forEach((panic, place) => {
      // While there is one, for which of them may change.
      if (panic !== 'none' || panic !== this.#panics[place])
        setPanic(this.#priorities[place]?.members ?? [], panic)
    })
    this.#panics = panicking
    this.#loads = panicking.includes('none') ? priorityLoads(healths) : panicLoads(healths)
    this.#percents = this.#priorities.flatMap(({ picker }, place) =>
      Array.from({ length: this.#loads[place] ?? 0 }, () => picker),
    )
  }

  #panicsAmong(healths: readonly PriorityHealth[]): readonly Panic[] {
    // Before it comes to that there are the last resorts, if any is available: what is retained, for requests that may go there.
    const resorts = healths.every(({ available }) => available === 0)
      ? this.#lastResorts.filter(hasAvailable)
      : []
    if (resorts.some(({ retained }) => !retained)) return healths.map(() => 'none')
    const panic = resorts.length > 0 ? 'unsafe' : 'all'
    return panics(healths, this.#panicThreshold).map((panics) => (panics ? panic : 'none'))
  }

  /** For a request that must not go to what is retained, where nothing else is available: O(n), with every endpoint unavailable. */
  #pickInPanic(context: PickContext<E>): E | undefined {
    if (context.idempotent !== false || !this.#panics.includes('unsafe')) return undefined
    const picker = this.#percents[below(this.#percents.length, this.#random)]
    this.#setUnsafe('all')
    // A balancer may be the user's, and throw.
    try {
      return picker?.pick(context) ?? pickInOrder(this.#priorities, context)
    } finally {
      this.#setUnsafe('unsafe')
    }
  }

  /** In the priorities whose panic is for requests that are not idempotent. */
  #setUnsafe(panic: Panic): void {
    this.#priorities.forEach(({ members }, place) => {
      if (this.#panics[place] === 'unsafe') setPanic(members, panic)
    })
  }
}

/** Endpoints by priority. */
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

  /** The first priority first. */
  inOrder(): readonly (readonly [number, readonly E[]])[] {
    return [...this.#members].sort(([a], [b]) => a - b)
  }
}

function pickInOrder<E extends Candidate>(
  groups: readonly Group<E>[],
  context: PickContext<E>,
): E | undefined {
  for (const { picker, retained } of groups) {
    if (retained && context.idempotent === false) continue
    const endpoint = picker.pick(context)
    if (endpoint !== undefined) return endpoint
  }
  return undefined
}

function countAvailable(endpoints: readonly Prioritized[]): number {
  let count = 0
  for (const { blocked } of endpoints) if (!blocked) count++
  return count
}

function hasAvailable({ members }: Group<Prioritized>): boolean {
  return members.some(({ blocked }) => !blocked)
}

function setPanic(endpoints: readonly Prioritized[], panic: Panic): void {
  const anyLeft = endpoints.some(({ excludedInPanic }) => !excludedInPanic)
  for (const endpoint of endpoints) endpoint.panic = anyLeft && endpoint.excludedInPanic ? 'none' : panic
}
