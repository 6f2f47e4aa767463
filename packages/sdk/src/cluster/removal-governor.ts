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

interface Missing {
  readonly instance: Instance
  /** Since when it is not listed, as far as that is believed. */
  at: number
  held: Held | undefined
}

/**
 * Decides what becomes of instances that discovery no longer lists. Registries lie at times: a server that has not
 * read its log, an agent cut off, a token that sees less, checks that have not run after a restart. What is removed
 * by an answer that is doubtful by its own account, or by too large a removal, is held in reserve: it gets requests
 * only where nothing else does, an answer of it renews its time, and a failure to reach it ends it.
 *
 * What it promises, after every set: of all instances listed within the last `windowMs`, taken out by nobody and
 * dropped by no traffic, either no more than `share` (or one) are missing, or all that are missing are held; and
 * nothing is held for longer than `maxHoldMs`.
 */
export class RemovalGovernor {
  readonly #options: GovernorOptions
  #listed = new Map<string, Instance>()
  #listedFromDisk = false
  readonly #missing = new Map<string, Missing>()

  constructor(options: GovernorOptions) {
    this.#options = options
  }

  /** What is held now. */
  get held(): readonly Held[] {
    return [...this.#missing.values()].map(({ held }) => held).filter((held) => held !== undefined)
  }

  /** When the next one's time is over; the clock's milliseconds. */
  get nextExpiry(): number | undefined {
    const times = this.held.map(({ until }) => until)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** Takes in a whole set. Returns why it began to hold something, where it did. */
  govern({ instances, excluded, doubt, savedAt }: Snapshot, now: number): HoldReason | undefined {
    const listed = indexed(instances, this.#listed)
    if (listed !== this.#listed) this.#note(listed, now)
    for (const { key, kind } of excluded) if (kind === 'deliberate') this.#missing.delete(key)
    // A set from disk is no news of the registry's: what has gone since it was saved may well have gone.
    if (this.#listedFromDisk && doubt === undefined) this.#missing.clear()
    this.#listed = listed
    this.#listedFromDisk = savedAt !== undefined
    return this.#judge(doubt, now)
  }

  /** It has answered a request. */
  confirm(key: string, now: number): void {
    const missing = this.#missing.get(key)
    if (missing?.held === undefined) return
    const { holdMs, maxHoldMs } = this.#options
    const { held } = missing
    missing.held = { ...held, confirmed: true, until: Math.min(now + holdMs, held.since + maxHoldMs) }
  }

  /** It could not be reached. */
  drop(key: string): void {
    this.#missing.delete(key)
  }

  /** Forgets those whose time is over, and returns them. */
  expire(now: number): readonly Held[] {
    const over = this.held.filter(({ until }) => until <= now)
    for (const { instance } of over) this.#missing.delete(instance.key)
    return over
  }

  #note(listed: ReadonlyMap<string, Instance>, now: number): void {
    for (const key of this.#missing.keys()) if (listed.has(key)) this.#missing.delete(key)
    for (const [key, instance] of this.#listed)
      if (!listed.has(key)) this.#missing.set(key, { instance, at: now, held: undefined })
  }

  #judge(doubt: string | undefined, now: number): HoldReason | undefined {
    let recent = 0
    for (const [key, missing] of this.#missing) {
      // An answer that can be believed says it anew: that is when it went.
      if (doubt === undefined && missing.held?.reason.kind === 'doubt') missing.at = now
      if (now - missing.at <= this.#options.windowMs) recent++
      else if (missing.held === undefined) this.#missing.delete(key)
    }
    const reason: HoldReason | undefined =
      doubt !== undefined ? { kind: 'doubt', doubt } : this.#isTooMany(recent) ? { kind: 'share' } : undefined
    let begun = false
    for (const [key, missing] of this.#missing) {
      const isRecent = now - missing.at <= this.#options.windowMs
      if (reason !== undefined && isRecent) {
        begun ||= missing.held === undefined
        missing.held = this.#hold(missing, reason, now)
      } else if (missing.held?.reason.kind === 'doubt' && doubt === undefined) {
        // Said again by one that can be believed, and few enough.
        this.#missing.delete(key)
      }
    }
    return begun ? reason : undefined
  }

  #isTooMany(missing: number): boolean {
    return missing > 1 && missing > this.#options.share * (this.#listed.size + missing)
  }

  #hold({ instance, held }: Missing, reason: HoldReason, now: number): Held {
    if (held !== undefined) return { ...held, reason }
    return { instance, reason, since: now, until: now + this.#options.holdMs, confirmed: false }
  }
}

/** By key; in the map of before where the keys are the same ones. */
function indexed(instances: readonly Instance[], before: Map<string, Instance>): Map<string, Instance> {
  if (!sameKeys(before, instances)) return new Map(instances.map((instance) => [instance.key, instance]))
  for (const instance of instances)
    if (before.get(instance.key) !== instance) before.set(instance.key, instance)
  return before
}
