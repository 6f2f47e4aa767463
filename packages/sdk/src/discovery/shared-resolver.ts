import { inBackground, isAborted, sleep, type Clock } from '../clock.js'
import { asError } from '../errors.js'
import type { Random } from '../random.js'
import { AutoResetEvent } from '../pacing/auto-reset-event.js'
import { backoffDelay } from '../pacing/backoff.js'
import { atMost } from '../pacing/or-aborted.js'
import type { Resolver, ResolverEvent } from './resolver.js'

// A resolver that throws breaks its contract; it is started again, but not in a tight loop.
const RESTART = { baseMs: 1000, maxMs: 30_000 }

// To write a set to disk takes milliseconds.
const END_TIMEOUT_MS = 1000

/**
 * One watch per service for any number of clients. A subscriber gets the present state at once, and then
 * the latest: as events are whole sets, a slow one may skip what is superseded.
 */
export class SharedResolver implements Resolver {
  readonly name: string
  readonly #resolver: Resolver
  readonly #clock: Clock
  readonly #random: Random
  readonly #watches = new Map<string, SharedWatch>()

  constructor(resolver: Resolver, clock: Clock, random: Random) {
    this.name = resolver.name
    this.#resolver = resolver
    this.#clock = clock
    this.#random = random
  }

  async *watch(service: string, signal: AbortSignal): AsyncGenerator<ResolverEvent, void, undefined> {
    const watch = this.#watches.get(service) ?? this.#start(service)
    const mailbox = watch.subscribe()
    const wake = (): void => mailbox.filled.set()
    signal.addEventListener('abort', wake)
    try {
      while (!signal.aborted) {
        const event = mailbox.take()
        if (event === undefined) await mailbox.filled.wait()
        else yield event
      }
    } finally {
      signal.removeEventListener('abort', wake)
      // The last one to leave stops the watch, and sees it end: there may be a set to save.
      if (watch.unsubscribe(mailbox)) {
        if (this.#watches.get(service) === watch) this.#watches.delete(service)
        // A resolver that does not end when its signal aborts must not hold up the one that closes.
        await atMost(END_TIMEOUT_MS, watch.ended, this.#clock)
      }
    }
  }

  #start(service: string): SharedWatch {
    const watch = new SharedWatch()
    this.#watches.set(service, watch)
    watch.ended = this.#run(service, watch)
    return watch
  }

  async #run(service: string, watch: SharedWatch): Promise<void> {
    for (let failures = 1; !watch.signal.aborted; failures++) {
      try {
        for await (const event of this.#resolver.watch(service, watch.signal)) watch.publish(event)
        if (isAborted(watch.signal)) return
        throw new Error(`${this.name} ended its watch of ${service}`)
      } catch (error) {
        watch.publish({ kind: 'stale', cause: asError(error) })
        await sleep(inBackground(this.#clock), backoffDelay(failures, RESTART, this.#random), watch.signal)
      }
    }
  }
}

class SharedWatch {
  ended: Promise<void> = Promise.resolve()
  readonly #stop = new AbortController()
  readonly #mailboxes = new Set<Mailbox>()
  /** What a new subscriber gets first. */
  readonly #state = new Latest()

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  subscribe(): Mailbox {
    const mailbox = new Mailbox()
    if (this.#state.snapshot !== undefined) mailbox.put(this.#state.snapshot)
    if (this.#state.stale !== undefined) mailbox.put(this.#state.stale)
    this.#mailboxes.add(mailbox)
    return mailbox
  }

  /** True when no subscriber is left, and the watch has ended. */
  unsubscribe(mailbox: Mailbox): boolean {
    this.#mailboxes.delete(mailbox)
    if (this.#mailboxes.size > 0) return false
    this.#stop.abort()
    return true
  }

  publish(event: ResolverEvent): void {
    this.#state.put(event)
    for (const mailbox of this.#mailboxes) mailbox.put(event)
  }
}

/** The last snapshot, and whether it has gone stale since. */
class Latest {
  snapshot: ResolverEvent | undefined
  stale: ResolverEvent | undefined

  put(event: ResolverEvent): void {
    if (event.kind === 'snapshot') this.snapshot = event
    this.stale = event.kind === 'stale' ? event : undefined
  }
}

/** What one subscriber has yet to hear: at most one snapshot and the staleness that followed it. */
class Mailbox {
  /** Set by each event, and when the subscriber's signal aborts. */
  readonly filled = new AutoResetEvent()
  readonly #unread = new Latest()

  put(event: ResolverEvent): void {
    this.#unread.put(event)
    this.filled.set()
  }

  take(): ResolverEvent | undefined {
    const { snapshot, stale } = this.#unread
    if (snapshot !== undefined) this.#unread.snapshot = undefined
    else this.#unread.stale = undefined
    return snapshot ?? stale
  }
}
