import type { Instance, Snapshot } from '../discovery/resolver.js'
import { sameKeys } from './same-keys.js'

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
  #listed = new Map<string, Instance>()
  /** What was listed, is not now, and was taken out by nobody: held, or believed to be gone within the window. */
  readonly #missing = new Map<string, Missing>()
  /** Keys that no answer has listed since they became known. */
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
  govern({ instances, excluded, doubt, savedAt }: Snapshot, now: number): Verdict {
    const before = this.held
    const listed = indexed(instances, this.#listed)
    const removed = listed === this.#listed ? [] : this.#note(listed, now)
    for (const { key, kind } of excluded) if (kind === 'deliberate') this.#missing.delete(key)
    if (savedAt !== undefined) for (const key of listed.keys()) this.#hearsay.add(key)
    else this.#check(listed, doubt !== undefined)
    this.#forget(now)
    const reason: HoldReason | undefined = doubt === undefined ? this.#judge(now) : { kind: 'doubt', doubt }
    // Doubt is about what this answer leaves out; what others did is decided.
    if (doubt !== undefined)
      for (const key of removed) this.#hold(this.#missing.get(key), { kind: 'doubt', doubt }, now)
    return this.#verdict(before, reason)
  }

  /** Discovery is not followed for now: what is known grows old. */
  lapse(): void {
    for (const key of [...this.#listed.keys(), ...this.#missing.keys()]) this.#hearsay.add(key)
  }

  /** It has answered a request. Returns whether that is the first answer since it is held. */
  confirm(key: string, now: number): boolean {
    const held = this.#missing.get(key)?.held
    if (held === undefined) return false
    const first = !held.confirmed
    held.confirmed = true
    held.until = Math.max(held.until, this.#end(held.since, now))
    return first
  }

  /** It could not be reached. Returns whether it was held. */
  drop(key: string): boolean {
    const wasHeld = this.#missing.get(key)?.held !== undefined
    this.#missing.delete(key)
    return wasHeld
  }

  /** Forgets those whose time is over, and returns them. */
  expire(now: number): readonly Held[] {
    const over = this.held.filter(({ until }) => until <= now)
    for (const { instance } of over) this.#missing.delete(instance.key)
    return over
  }

  /** Returns the keys of what has been listed until now. */
  #note(listed: Map<string, Instance>, now: number): readonly string[] {
    for (const key of this.#missing.keys()) if (listed.has(key)) this.#missing.delete(key)
    const removed: string[] = []
    for (const [key, instance] of this.#listed) {
      if (listed.has(key)) continue
      this.#missing.set(key, { instance, goneAt: now, held: undefined })
      removed.push(key)
    }
    this.#listed = listed
    return removed
  }

  /** An answer makes a fact of what it lists; one that can be believed ends the rest of what was only known of old. */
  #check(listed: ReadonlyMap<string, Instance>, doubtful: boolean): void {
    for (const key of this.#hearsay) {
      if (doubtful && !listed.has(key)) continue
      this.#hearsay.delete(key)
      this.#missing.delete(key)
    }
  }

  /** What went long ago, and was believed to. */
  #forget(now: number): void {
    for (const [key, { held, goneAt }] of this.#missing)
      if (held === undefined && now - goneAt > this.#options.windowMs) this.#missing.delete(key)
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
    const known = new Set(before.map(({ instance }) => instance.key))
    const begun = this.held.map(({ instance }) => instance).filter(({ key }) => !known.has(key))
    const ended = before
      .map(({ instance }) => instance)
      .filter(({ key }) => this.#missing.get(key)?.held === undefined)
    return {
      begun,
      reason: begun.length > 0 ? reason : undefined,
      returned: ended.filter(({ key }) => this.#listed.has(key)),
      released: ended.filter(({ key }) => !this.#listed.has(key)),
    }
  }
}

function isDoubted({ held }: Missing): boolean {
  return held?.reason.kind === 'doubt'
}

/** By key; in the map of before where the keys are the same ones. */
function indexed(instances: readonly Instance[], before: Map<string, Instance>): Map<string, Instance> {
  if (!sameKeys(before, instances)) {
    const after = new Map<string, Instance>()
    for (const instance of instances) after.set(instance.key, instance)
    return after
  }
  let place = 0
  for (const known of before.values()) {
    const instance = instances[place++]
    if (instance !== undefined && instance !== known) before.set(instance.key, instance)
  }
  return before
}
