import { isDeepStrictEqual } from 'node:util'
import { isAborted } from '../../clock.js'
import type { Plan } from './plan.js'
import type { HealthSnapshot } from './health.js'
import type { TargetEvent, WatchTarget } from './watch.js'
import type { ExcludedInstance, Instance, ResolverEvent, Snapshot } from '../resolver.js'

/** One target that is watched, and what it said last. */
interface Followed {
  readonly target: WatchTarget
  readonly stop: AbortController
  health: HealthSnapshot | undefined
  suspect: string | undefined
  empty: string | undefined
  /** Why asking fails, while it does. */
  cause: Error | undefined
}

export type Follow = (target: WatchTarget, signal: AbortSignal) => AsyncIterable<TargetEvent>

/** Watches the targets of a plan, and makes one set of what they say. */
export class TargetSet {
  readonly #follow: Follow
  readonly #onChange: () => void
  #plan: Plan | undefined
  #followed: readonly Followed[] = []
  /** Has the set to be published again; has the first target's outage? */
  #changed = false
  #failed = false

  constructor(follow: Follow, onChange: () => void) {
    this.#follow = follow
    this.#onChange = onChange
  }

  /** Goes on with the targets that stay, begins with new ones, and ends the others. */
  adopt(plan: Plan): void {
    const known = this.#plan
    if (isDeepStrictEqual(plan, known)) return
    // The same object for the same policy: others tell by that whether it has changed.
    const policy = isDeepStrictEqual(plan.policy, known?.policy) ? known?.policy : plan.policy
    const before = new Map(this.#followed.map((followed) => [nameOf(followed.target), followed]))
    this.#plan = { ...plan, policy }
    this.#followed = plan.targets.map((target) => {
      const followed = before.get(nameOf(target))
      before.delete(nameOf(target))
      return followed ?? this.#start(target)
    })
    for (const { stop } of before.values()) stop.abort()
    this.#changed = true
    this.#onChange()
  }

  close(): void {
    for (const { stop } of this.#followed) stop.abort()
    this.#followed = []
  }

  /** What has changed since the last call. */
  news(): readonly ResolverEvent[] {
    const [first] = this.#followed
    const events: ResolverEvent[] = []
    if (first === undefined) return events
    if (this.#changed && this.#hasSet(first)) {
      events.push(this.#snapshot())
      this.#changed = false
    }
    // Again after a set that another target has changed: the first one's part of it is still of old.
    if (first.cause !== undefined && (this.#failed || events.length > 0))
      events.push({ kind: 'stale', cause: first.cause })
    this.#failed = false
    return events
  }

  /** Its first target has answered; or it cannot be asked, and another one has instances. */
  #hasSet({ health, cause }: Followed): boolean {
    return health !== undefined || (cause !== undefined && this.#followed.some(hasInstances))
  }

  #start(target: WatchTarget): Followed {
    const stop = new AbortController()
    const followed: Followed = {
      target,
      stop,
      health: undefined,
      suspect: undefined,
      empty: undefined,
      cause: undefined,
    }
    void this.#run(followed)
    return followed
  }

  async #run(followed: Followed): Promise<void> {
    const { target, stop } = followed
    for await (const event of this.#follow(target, stop.signal)) {
      if (isAborted(stop.signal)) return
      if (event.kind === 'health') {
        followed.health = event.health
        followed.suspect = event.suspect
        followed.empty = event.empty
        followed.cause = undefined
        this.#changed = true
      } else {
        // Of another than the first it is a note beside the set, which only its beginning changes.
        if (followed === this.#followed[0]) this.#failed = true
        else if (followed.cause === undefined) this.#changed = true
        followed.cause = event.cause
      }
      this.#onChange()
    }
  }

  /** Why the set is suspect: as one of its answers is, or as there is none yet. */
  #suspectReason(): string | undefined {
    const target = this.#followed.find(({ suspect }) => suspect !== undefined)
    if (target !== undefined) return target.suspect
    const [first] = this.#followed
    const missing = this.#followed.find(({ health, cause }) => health === undefined && cause === undefined)
    if (missing !== undefined) return `${placeOf(missing.target)} has not answered yet`
    return first?.health === undefined ? first?.cause?.message : undefined
  }

  #snapshot(): Snapshot {
    const [only, ...others] = this.#followed
    const suspect = this.#suspectReason()
    const healths = this.#followed.map(({ health }) => health).filter((health) => health !== undefined)
    const notes = others.flatMap(noteOf)
    const alone = others.length === 0 ? only?.health : undefined
    return {
      kind: 'snapshot',
      instances: alone?.instances ?? byBestPriority(healths.flatMap(({ instances }) => instances)),
      excluded: alone?.excluded ?? [...healths.flatMap(({ excluded }) => excluded), ...notes],
      ...(suspect === undefined ? {} : { suspect }),
      ...(only?.empty === undefined ? {} : { empty: only.empty }),
      ...(this.#plan?.policy === undefined ? {} : { policy: this.#plan.policy }),
    }
  }
}

function nameOf(target: WatchTarget): string {
  return JSON.stringify(target)
}

/** An instance may be in several targets, such as a subset and all of its service: the best priority counts. */
function byBestPriority(instances: readonly Instance[]): readonly Instance[] {
  const byKey = new Map<string, Instance>()
  for (const instance of instances) if (!byKey.has(instance.key)) byKey.set(instance.key, instance)
  return [...byKey.values()]
}

function hasInstances({ health }: Followed): boolean {
  return health !== undefined && health.instances.length > 0
}

/** A failover target that cannot be asked: no reason to distrust the others, and something to see. */
function noteOf({ target, cause }: Followed): readonly ExcludedInstance[] {
  if (cause === undefined) return []
  const { priority } = target.read
  return [{ key: placeOf(target), reason: cause.message, kind: 'unusable', priority }]
}

function placeOf({ service, question }: WatchTarget): string {
  return `${service} in ${question.peer ?? question.datacenter ?? 'this datacenter'}`
}
