import { otherScheme, placeOf } from '../discovery/place.js'
import type { ExcludedInstance, Instance, Snapshot } from '../discovery/resolver.js'
import { samePlaces } from './same-places.js'

export interface GovernorOptions {
  /** Above this share of what was listed within `windowMs`, and more than one, a removal is hard to believe. */
  readonly share: number
  readonly windowMs: number
  /** How long an instance stays in reserve, each answer of it renewing the time. */
  readonly holdMs: number
  /** How long at the very most. */
  readonly maxHoldMs: number
}

/** Why instances that discovery no longer lists are kept. */
export type HoldReason = { readonly kind: 'doubt'; readonly doubt: string } | { readonly kind: 'share' }

/** One instance that is kept in reserve. */
export interface Held {
  readonly instance: Instance
  readonly reason: HoldReason
  /** The clock's milliseconds. */
  readonly since: number
  readonly until: number
  /** Has it answered since? */
  readonly confirmed: boolean
}

/** What a set has changed in what is held. */
export interface Verdict {
  /** Held from now on, for `reason`. */
  readonly begun: readonly Instance[]
  readonly reason: HoldReason | undefined
  /** Held no longer, as they are listed again. */
  readonly returned: readonly Instance[]
  /** Held no longer, as they are gone beyond doubt. */
  readonly released: readonly Instance[]
}

interface Missing {
  readonly instance: Instance
  /** When an answer that can be believed first left it out; until there is one, when a doubtful one did. */
  goneAt: number
  held: { -readonly [Field in keyof Held]: Held[Field] } | undefined
}

// Each end makes the set anew. What is over within the same sixtieth of a hold, one second, is over together.
const STEPS = 60

/**
 * Decides what becomes of instances that discovery no longer lists. Registries lie at times: a server that has not
 * read its log, an agent cut off, a token that sees less, checks that have not run after a restart. What is left out
 * by an answer that is doubtful by its own account, or by too large a removal, is held in reserve: it gets requests
 * only where nothing else does, an answer of it renews its time, and a failure to reach it ends it.
 *
 * What it promises:
 * 1. After a doubtful set, whatever that set has removed is held.
 * 2. After a set that can be believed, of all that such sets have removed within `windowMs`, either no more than `share`
 *    (or one) is missing, and nothing is held that was not before, or all that is missing is held.
 * 3. Nothing is held that is listed, or that someone has taken out, or that was dropped or expired since it was listed.
 * 4. Nothing is held for longer than `maxHoldMs`.
 * 5. What is known from disk only, or from before a time when discovery was not followed, is not held against the first
 *    set that can be believed.
 */
export class RemovalGovernor {
  readonly #options: GovernorOptions
  /** By place, as all else here: whose registration it is makes no difference to what is there. */
  #listed = new Map<string, Instance>()
  /** What was listed, is not now, and was taken out by nobody: held, or believed to be gone within the window. */
  readonly #missing = new Map<string, Missing>()
  /** Places that no answer has listed since they became known. */
  readonly #hearsay = new Set<string>()

  constructor(options: GovernorOptions) {
    this.#options = options
  }

  /** What is held now. */
  get held(): readonly Held[] {
    return [...this.#missing.values()].flatMap(({ held }) => held ?? [])
  }

  /** When the next one's time is over; the clock's milliseconds. */
  get nextExpiry(): number | undefined {
    let next: number | undefined
    for (const { held } of this.#missing.values())
      if (held !== undefined && (next === undefined || held.until < next)) next = held.until
    return next
  }

  /** Takes in a whole set. */
  govern({ instances, excluded, suspect: doubt, savedAt }: Snapshot, now: number): Verdict {
    const before = this.held
    const listed = indexed(instances, this.#listed)
    const removed = listed === this.#listed ? [] : this.#note(listed, now)
    this.#letGo(excluded)
    if (savedAt !== undefined) for (const place of listed.keys()) this.#hearsay.add(place)
    else this.#check(listed, doubt !== undefined)
    this.#forget(now)
    const reason: HoldReason | undefined = doubt === undefined ? this.#judge(now) : { kind: 'doubt', doubt }
    // Doubt is about what this answer leaves out; what others did is decided.
    if (doubt !== undefined)
      for (const place of removed) this.#hold(this.#missing.get(place), { kind: 'doubt', doubt }, now)
    return this.#verdict(before, reason)
  }

  /** Discovery is not followed for now: what is known grows old. */
  lapse(): void {
    for (const place of [...this.#listed.keys(), ...this.#missing.keys()]) this.#hearsay.add(place)
  }

  /** It has answered a request. Returns whether that is the first answer since it is held. */
  confirm(place: string, now: number): boolean {
    const held = this.#missing.get(place)?.held
    if (held === undefined) return false
    const first = !held.confirmed
    held.confirmed = true
    held.until = Math.max(held.until, this.#end(held.since, now))
    return first
  }

  /** It could not be reached. Returns whether it was held. */
  drop(place: string): boolean {
    const wasHeld = this.#missing.get(place)?.held !== undefined
    this.#missing.delete(place)
    return wasHeld
  }

  /** Forgets those whose time is over, and returns them. */
  expire(now: number): readonly Held[] {
    const over = this.held.filter(({ until }) => until <= now)
    for (const { instance } of over) this.#missing.delete(placeOf(instance))
    return over
  }

  /** What someone has taken out, under all of its registrations. */
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
      this.#missing.set(place, { instance, goneAt: now, held: undefined })
      removed.push(place)
    }
    this.#listed = listed
    return removed
  }

  /** An answer makes a fact of what it lists; one that can be believed ends the rest of what was only known of old. */
  #check(listed: ReadonlyMap<string, Instance>, doubtful: boolean): void {
    for (const place of this.#hearsay) {
      if (doubtful && !listed.has(place)) continue
      this.#hearsay.delete(place)
      this.#missing.delete(place)
    }
  }

  /** What went long ago, and was believed to. */
  #forget(now: number): void {
    for (const [place, { held, goneAt }] of this.#missing)
      if (held === undefined && now - goneAt > this.#options.windowMs) this.#missing.delete(place)
  }

  /** By an answer that can be believed: is what is missing too much? */
  #judge(now: number): HoldReason | undefined {
    const recent: Missing[] = []
    for (const missing of this.#missing.values()) {
      if (isDoubted(missing)) missing.goneAt = now
      if (now - missing.goneAt <= this.#options.windowMs) recent.push(missing)
    }
    if (this.#isTooMuch(recent.length)) {
      for (const missing of recent) this.#hold(missing, { kind: 'share' }, now)
      return { kind: 'share' }
    }
    // Said again by one that can be believed. They count on, for the window.
    for (const missing of recent) if (isDoubted(missing)) missing.held = undefined
    return undefined
  }

  #isTooMuch(missing: number): boolean {
    return missing > 1 && missing > this.#options.share * (this.#listed.size + missing)
  }

  /** From now on, or anew and for another reason. */
  #hold(missing: Missing | undefined, reason: HoldReason, now: number): void {
    if (missing === undefined || missing.held?.reason.kind === reason.kind) return
    const { instance, held } = missing
    const since = held?.since ?? now
    missing.held = {
      instance,
      reason,
      since,
      until: this.#end(since, now),
      confirmed: held?.confirmed ?? false,
    }
  }

  #end(since: number, now: number): number {
    const { holdMs, maxHoldMs } = this.#options
    const step = Math.min(holdMs, maxHoldMs) / STEPS
    return Math.floor(Math.min(now + holdMs, since + maxHoldMs) / step) * step
  }

  #verdict(before: readonly Held[], reason: HoldReason | undefined): Verdict {
    const known = new Set(before.map(({ instance }) => placeOf(instance)))
    const begun = this.held.map(({ instance }) => instance).filter((one) => !known.has(placeOf(one)))
    const ended = before
      .map(({ instance }) => instance)
      .filter((one) => this.#missing.get(placeOf(one))?.held === undefined)
    return {
      begun,
      reason: begun.length > 0 ? reason : undefined,
      returned: ended.filter((one) => lists(this.#listed, placeOf(one))),
      released: ended.filter((one) => !lists(this.#listed, placeOf(one))),
    }
  }
}

function isDoubted({ held }: Missing): boolean {
  return held?.reason.kind === 'doubt'
}

/** Is this address listed, whichever scheme it is listed with? */
function lists(listed: ReadonlyMap<string, Instance>, place: string): boolean {
  return listed.has(place) || listed.has(otherScheme(place))
}

/** By place; in the map of before where the places are the same ones. */
function indexed(instances: readonly Instance[], before: Map<string, Instance>): Map<string, Instance> {
  if (!samePlaces(before, instances)) {
    const after = new Map<string, Instance>()
    for (const instance of instances) after.set(placeOf(instance), instance)
    return after
  }
  let index = 0
  for (const [place, known] of before) {
    const instance = instances[index++]
    if (instance !== undefined && instance !== known) before.set(place, instance)
  }
  return before
}
