import { otherScheme, placeOf } from '../discovery/place.js'
import type { ExcludedInstance, Instance, Snapshot } from '../discovery/resolver.js'
import { samePlaces } from './same-places.js'

export interface GovernorOptions {
  /** Above this share of what was listed within `windowMs`, and more than one, a removal is suspect. */
  readonly share: number
  readonly windowMs: number
  /** How long an instance stays retained, each answer of it renewing the time. */
  readonly retainMs: number
  /** How long at the very most. */
  readonly maxRetainMs: number
}

/** Why instances that discovery no longer lists are kept. */
export type RetainReason = { readonly kind: 'suspect'; readonly suspect: string } | { readonly kind: 'share' }

/** One instance that is retained. */
export interface Retained {
  readonly instance: Instance
  readonly reason: RetainReason
  /** The clock's milliseconds. */
  readonly since: number
  readonly until: number
  /** Has it answered since? */
  readonly confirmed: boolean
}

/** What a set has changed in what is retained. */
export interface Governed {
  /** Retained from now on, for `reason`. */
  readonly begun: readonly Instance[]
  readonly reason: RetainReason | undefined
  /** Retained no longer, as they are listed again. */
  readonly returned: readonly Instance[]
  /** Retained no longer, as they are certainly gone. */
  readonly released: readonly Instance[]
}

/** What a set would change, once it has proved to be usable. */
export interface Consideration {
  /** What would be retained, by what traffic has said since. */
  readonly retained: readonly Retained[]
  readonly changes: Governed
  /** From now on it is so. */
  adopt(): void
}

interface Missing {
  readonly instance: Instance
  /** When an answer that is not suspect first left it out; until there is one, when a suspect one did. */
  goneAt: number
  retained: { -readonly [Field in keyof Retained]: Retained[Field] } | undefined
}

// Each end makes the set anew. What is over within the same sixtieth of a hold, one second, is over together.
const STEPS = 60

/**
 * Decides what becomes of instances that discovery no longer lists. Registries lie at times: a server that has not
 * read its log, an agent cut off, a token that sees less, checks that have not run after a restart. What is missing
 * by an answer that is suspect by its own account, or by too large a removal, is retained: it gets requests
 * only where nothing else does, an answer of it renews its time, and a failure to reach it ends it.
 *
 * What it promises:
 * 1. After a suspect set, whatever that set has removed is retained.
 * 2. After a set that is not suspect, of all that such sets have removed within `windowMs`, either no more than `share`
 *    (or one) is missing, and nothing is retained that was not before, or all that is missing is retained.
 * 3. Nothing is retained that is listed, or that someone has deregistered or put into maintenance, or that was dropped or expired since it was listed.
 * 4. Nothing is retained for longer than `maxRetainMs`.
 * 5. What is known from disk only, or from before a time when discovery was not followed, is not retained against the first
 *    set that is not suspect.
 */
export class RemovalGovernor {
  readonly #options: GovernorOptions
  /** By place, as all else here: whose registration it is makes no difference to what is there. */
  #listed = new Map<string, Instance>()
  /** What was listed, is not now, and was not deregistered on purpose: retained, or believed to be gone within the window. */
  #missing = new Map<string, Missing>()
  /** Places that no answer has listed since they became known. */
  #unconfirmed = new Set<string>()
  /** As it would be after the set that is considered. It hears what is heard meanwhile, or that would be lost. */
  #considered: RemovalGovernor | undefined

  constructor(options: GovernorOptions) {
    this.#options = options
  }

  /** What is retained now. */
  get retained(): readonly Retained[] {
    return [...this.#missing.values()].flatMap(({ retained }) => retained ?? [])
  }

  /** When the next one's time is over; the clock's milliseconds. */
  get nextExpiry(): number | undefined {
    let next: number | undefined
    for (const { retained } of this.#missing.values())
      if (retained !== undefined && (next === undefined || retained.until < next)) next = retained.until
    return next
  }

  /** Takes in a whole set. */
  govern(snapshot: Snapshot, now: number): Governed {
    const considered = this.consider(snapshot, now)
    considered.adopt()
    return considered.changes
  }

  /** What a whole set would change; nothing has until it is adopted. Of several the last one counts. */
  consider(snapshot: Snapshot, now: number): Consideration {
    const next = this.#copy()
    const changes = next.#take(snapshot, now)
    this.#considered = next
    return {
      get retained() {
        return next.retained
      },
      changes,
      adopt: () => {
        this.#considered = undefined
        this.#missing = next.#missing
        this.#unconfirmed = next.#unconfirmed
        this.#listed = next.#listed
        relabel(this.#listed, snapshot.instances)
      },
    }
  }

  /** What is listed is shared: it is replaced, and never written to before a set is adopted. */
  #copy(): RemovalGovernor {
    const copy = new RemovalGovernor(this.#options)
    copy.#listed = this.#listed
    copy.#unconfirmed = new Set(this.#unconfirmed)
    for (const [place, { instance, goneAt, retained }] of this.#missing)
      copy.#missing.set(place, { instance, goneAt, retained: retained && { ...retained } })
    return copy
  }

  #take({ instances, excluded, suspect, savedAt }: Snapshot, now: number): Governed {
    const before = this.retained
    const listed = indexed(instances, this.#listed)
    const removed = listed === this.#listed ? [] : this.#note(listed, now)
    this.#letGo(excluded)
    if (savedAt !== undefined) for (const place of listed.keys()) this.#unconfirmed.add(place)
    else this.#check(listed, suspect !== undefined)
    this.#forget(now)
    const reason: RetainReason | undefined =
      suspect === undefined ? this.#weigh(now) : { kind: 'suspect', suspect }
    // It is suspect about what it does not list itself; what others did is decided.
    if (suspect !== undefined)
      for (const place of removed) this.#retain(this.#missing.get(place), { kind: 'suspect', suspect }, now)
    return this.#changes(before, reason)
  }

  /** Discovery is not followed for now: what is known grows old. */
  lapse(): void {
    this.#considered?.lapse()
    for (const place of [...this.#listed.keys(), ...this.#missing.keys()]) this.#unconfirmed.add(place)
  }

  /** It has answered a request. Returns whether that is the first answer since it is retained. */
  confirm(place: string, now: number): boolean {
    const soon = this.#considered?.confirm(place, now) === true
    const retained = this.#missing.get(place)?.retained
    if (retained === undefined) return soon
    const first = !retained.confirmed
    retained.confirmed = true
    retained.until = Math.max(retained.until, this.#end(retained.since, now))
    return first
  }

  /** It could not be reached. Returns whether it was retained. */
  drop(place: string): boolean {
    const soon = this.#considered?.drop(place) === true
    const was = this.#missing.get(place)?.retained !== undefined
    this.#missing.delete(place)
    return was || soon
  }

  /** Forgets those whose time is over, and returns them. */
  expire(now: number): readonly Retained[] {
    const over = this.retained.filter(({ until }) => until <= now)
    for (const { instance } of over) this.drop(placeOf(instance))
    return over
  }

  /** What someone has put into maintenance, under all of its registrations. */
  #letGo(excluded: readonly ExcludedInstance[]): void {
    if (this.#missing.size === 0) return
    const deliberate = new Set(excluded.filter(({ kind }) => kind === 'deliberate').map(({ key }) => key))
    if (deliberate.size === 0) return
    for (const [place, { instance }] of this.#missing) {
      const { key, registrations = [key] } = instance
      if (registrations.every((each) => deliberate.has(each))) this.#missing.delete(place)
    }
  }

  /** Returns the places of what has been listed until now. */
  #note(listed: Map<string, Instance>, now: number): readonly string[] {
    for (const place of this.#missing.keys()) if (lists(listed, place)) this.#missing.delete(place)
    const removed: string[] = []
    for (const [place, instance] of this.#listed) {
      if (lists(listed, place)) continue
      this.#missing.set(place, { instance, goneAt: now, retained: undefined })
      removed.push(place)
    }
    this.#listed = listed
    return removed
  }

  /** An answer makes a fact of what it lists; one that is not suspect ends the rest of what was only known of old. */
  #check(listed: ReadonlyMap<string, Instance>, suspect: boolean): void {
    for (const place of this.#unconfirmed) {
      if (suspect && !listed.has(place)) continue
      this.#unconfirmed.delete(place)
      this.#missing.delete(place)
    }
  }

  /** What went long ago, and was believed to. */
  #forget(now: number): void {
    for (const [place, { retained, goneAt }] of this.#missing)
      if (retained === undefined && now - goneAt > this.#options.windowMs) this.#missing.delete(place)
  }

  /** By an answer that is not suspect: is what is missing too much? */
  #weigh(now: number): RetainReason | undefined {
    const recent: Missing[] = []
    for (const missing of this.#missing.values()) {
      if (isSuspect(missing)) missing.goneAt = now
      if (now - missing.goneAt <= this.#options.windowMs) recent.push(missing)
    }
    if (this.#isTooMuch(recent.length)) {
      for (const missing of recent) this.#retain(missing, { kind: 'share' }, now)
      return { kind: 'share' }
    }
    // Said again by one that is not suspect. They count on, for the window.
    for (const missing of recent) if (isSuspect(missing)) missing.retained = undefined
    return undefined
  }

  #isTooMuch(missing: number): boolean {
    return missing > 1 && missing > this.#options.share * (this.#listed.size + missing)
  }

  /** From now on, or anew and for another reason. */
  #retain(missing: Missing | undefined, reason: RetainReason, now: number): void {
    if (missing === undefined || missing.retained?.reason.kind === reason.kind) return
    const { instance, retained } = missing
    const since = retained?.since ?? now
    missing.retained = {
      instance,
      reason,
      since,
      until: this.#end(since, now),
      confirmed: retained?.confirmed ?? false,
    }
  }

  #end(since: number, now: number): number {
    const { retainMs, maxRetainMs } = this.#options
    const step = Math.min(retainMs, maxRetainMs) / STEPS
    return Math.floor(Math.min(now + retainMs, since + maxRetainMs) / step) * step
  }

  #changes(before: readonly Retained[], reason: RetainReason | undefined): Governed {
    const known = new Set(before.map(({ instance }) => placeOf(instance)))
    const begun = this.retained.map(({ instance }) => instance).filter((one) => !known.has(placeOf(one)))
    const ended = before
      .map(({ instance }) => instance)
      .filter((one) => this.#missing.get(placeOf(one))?.retained === undefined)
    return {
      begun,
      reason: begun.length > 0 ? reason : undefined,
      returned: ended.filter((one) => lists(this.#listed, placeOf(one))),
      released: ended.filter((one) => !lists(this.#listed, placeOf(one))),
    }
  }
}

function isSuspect({ retained }: Missing): boolean {
  return retained?.reason.kind === 'suspect'
}

/** Is this address listed, whichever scheme it is listed with? */
function lists(listed: ReadonlyMap<string, Instance>, place: string): boolean {
  return listed.has(place) || listed.has(otherScheme(place))
}

/** By place; the map of before where the places are the same ones, with what was known of them then. */
function indexed(instances: readonly Instance[], before: Map<string, Instance>): Map<string, Instance> {
  if (samePlaces(before, instances)) return before
  const after = new Map<string, Instance>()
  for (const instance of instances) after.set(placeOf(instance), instance)
  return after
}

/** What is known of the same places by now: to index 10,000 anew takes longer than to write what has changed. */
function relabel(listed: Map<string, Instance>, instances: readonly Instance[]): void {
  // One place may be listed twice, and is indexed as the last says already.
  if (listed.size !== instances.length) return
  let index = 0
  for (const [place, known] of listed) {
    const instance = instances[index++]
    if (instance !== undefined && instance !== known) listed.set(place, instance)
  }
}
