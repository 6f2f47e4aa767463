import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../clock.js'
import type { Random } from '../../random.js'
import { AutoResetEvent } from '../../pacing/auto-reset-event.js'
import type { HostLookup } from './host-lookup.js'
import { HostTable } from './host-table.js'
import { hasUsable, namesIn, withAddresses } from './named-instances.js'
import type { Resolver, ResolverEvent, Snapshot } from '../resolver.js'

// For so long a new set waits for names that are not known yet. A DNS server answers in milliseconds; one packet that is
// lost costs the system's resolver 5 s, and requests that do not need the name must not wait for it.
const HOLD_MS = 1000

// A set without a usable instance delays no request while held back; passed on, it would fail requests that might wait.
// That has its end where the system's resolver usually times out: two attempts of 5 s.
const EMPTY_HOLD_MS = 10_000

/**
 * Looks up the host names among a resolver's instances, and keeps looking them up, so that every address behind a name
 * is used and a new one is found. See `placed` for what becomes of an instance. What does not resolve is excluded with
 * the reason; what has resolved once keeps its last addresses.
 *
 * A set without names passes as it is.
 */
export function resolveHosts(resolver: Resolver, lookup: HostLookup, clock: Clock, random: Random): Resolver {
  return {
    name: resolver.name,
    async *watch(service, signal): AsyncGenerator<ResolverEvent, void, undefined> {
      const watch = new HostWatch(lookup, clock, random)
      const stop = (): void => watch.stop()
      signal.addEventListener('abort', stop)
      if (signal.aborted) stop()
      try {
        yield* watch.follow(resolver, service)
      } finally {
        signal.removeEventListener('abort', stop)
        watch.stop()
      }
    },
  }
}

/** One watch: the latest that the resolver said, and what is known of the names in it. */
class HostWatch {
  readonly #clock: Clock
  readonly #table: HostTable
  readonly #stop = new AbortController()
  readonly #news = new AutoResetEvent()
  /** How the resolver's watch ended, which it must not. */
  #end: { readonly error: unknown } | 'ended' | undefined

  #source: Snapshot | undefined
  /** Host names in it. */
  #names: ReadonlySet<string> = new Set()
  #stale: ResolverEvent | undefined
  /** Since when something has been waiting to be told. */
  #changedAt: number | undefined
  /** Is all that has changed one new set of the resolver's, which is different by contract? */
  #surelyNew = false

  constructor(lookup: HostLookup, clock: Clock, random: Random) {
    this.#clock = clock
    this.#table = new HostTable({ lookup, clock, random, onChange: () => this.#changed(false) })
  }

  stop(): void {
    this.#stop.abort()
    this.#table.close()
    this.#news.set()
  }

  async *follow(resolver: Resolver, service: string): AsyncGenerator<ResolverEvent, void, undefined> {
    const { signal } = this.#stop
    void this.#read(resolver.watch(service, signal))
    let told: Snapshot | undefined
    let toldStale: ResolverEvent | undefined
    while (!signal.aborted) {
      const dueAt = this.#dueAt
      if (dueAt !== undefined && this.#clock.now() >= dueAt) {
        const surelyNew = this.#surelyNew || (toldStale !== undefined && this.#stale === undefined)
        const snapshot = this.#source && withAddresses(this.#source, this.#names, this.#table.find)
        this.#changedAt = undefined
        if (snapshot === undefined || (!surelyNew && isDeepStrictEqual(snapshot, told))) continue
        told = snapshot
        // A set says that all is well; where it is not, that is said again after it.
        toldStale = undefined
        yield snapshot
      } else if (this.#stale !== undefined && this.#stale !== toldStale && dueAt === undefined) {
        toldStale = this.#stale
        yield toldStale
      } else if (this.#end === undefined) {
        if (dueAt === undefined) await this.#news.wait()
        else await this.#news.waitAtMost(dueAt - this.#clock.now(), this.#clock)
      } else {
        if (this.#end === 'ended') return
        throw this.#end.error
      }
    }
  }

  async #read(events: AsyncIterable<ResolverEvent>): Promise<void> {
    try {
      for await (const event of events) this.#take(event)
      this.#end = 'ended'
    } catch (error) {
      this.#end = { error }
    }
    this.#news.set()
  }

  #take(event: ResolverEvent): void {
    if (event.kind === 'stale') {
      this.#stale = event
      this.#news.set()
      return
    }
    // After staleness it may be equal, which is news only if the staleness has been told.
    const surelyNew = this.#changedAt === undefined && this.#stale === undefined
    this.#stale = undefined
    this.#source = event
    this.#names = namesIn(event)
    this.#table.follow(this.#names)
    this.#changed(surelyNew)
  }

  #changed(surelyNew: boolean): void {
    this.#surelyNew = surelyNew
    this.#changedAt ??= this.#clock.now()
    this.#news.set()
  }

  /** When what has changed has to be told; undefined: nothing has. */
  get #dueAt(): number | undefined {
    if (this.#changedAt === undefined || this.#table.settled) return this.#changedAt
    return this.#changedAt + (this.#usable ? HOLD_MS : EMPTY_HOLD_MS)
  }

  get #usable(): boolean {
    return this.#source !== undefined && hasUsable(this.#source, this.#table.find)
  }
}
