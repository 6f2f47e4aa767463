import { AsyncResource } from 'node:async_hooks'
import { invalidOption } from '../validation/invalid-option.js'
import type { Clock } from '../clock.js'
import type { ClusterChange } from '../cluster/cluster.js'
import type { Instance } from '../discovery/resolver.js'
import { asError, reasonOf } from '../errors.js'
import type { Logger } from '../logger.js'

/** What has changed in what discovery knows of a service. Plain data. */
export interface DiscoveryEvent {
  /** The service's name in Consul. */
  readonly service: string
  /** `stale`: the last known set serves on. `disk`: a saved set serves, as discovery has not answered yet. */
  readonly freshness: 'waiting' | 'fresh' | 'stale' | 'disk'
  /** Since when it is stale, or when it was saved, in Unix milliseconds. */
  readonly since: number | undefined
  /** Why it is not fresh. */
  readonly reason: string | undefined
  /** What speaks against believing that what is no longer listed is gone. */
  readonly doubt: string | undefined
  /** All that discovery lists. */
  readonly instances: readonly Instance[]
  /** What is kept although discovery no longer lists it, until traffic or time decides. */
  readonly reserve: readonly Instance[]
  /** What has come to, and gone from, `instances` and `reserve` taken together. */
  readonly added: readonly Instance[]
  /** What has gone from both; see `added`. */
  readonly removed: readonly Instance[]
}

/**
 * Called after every change, in order, with plain data. What it throws is logged as a warning, and stops no other
 * listener.
 */
export type DiscoveryListener = (event: DiscoveryEvent) => void

/** Those who want to hear of changes. What they throw stays with them. */
export class DiscoveryListeners {
  readonly #service: string
  readonly #logger: Logger
  readonly #listeners = new Set<(event: DiscoveryEvent) => unknown>()

  constructor(service: string, logger: Logger) {
    this.#service = service
    this.#logger = logger
  }

  add(listener: DiscoveryListener): () => void {
    if (typeof (listener as unknown) !== 'function')
      throw invalidOption('listener of onDiscovery', listener, 'a function')
    // Another function each time: added twice, it is called twice, and taken back once at a time.
    // In the context of whoever added it, as what it is told of happens in nobody's.
    const own = AsyncResource.bind((event: DiscoveryEvent): unknown => listener(event))
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  announce(change: ClusterChange, clock: Clock): void {
    if (this.#listeners.size === 0) return
    const event = eventOf(this.#service, change, clock)
    for (const listener of [...this.#listeners]) {
      // One before it may have taken it back.
      if (this.#listeners.has(listener)) this.#tell(listener, event)
    }
  }

  #tell(listener: (event: DiscoveryEvent) => unknown, event: DiscoveryEvent): void {
    try {
      // Asynchronous functions are taken for listeners as well, and their rejections have to end somewhere.
      const ended = listener(event)
      if (ended instanceof Promise) ended.catch(this.#report)
    } catch (thrown) {
      this.#report(thrown)
    }
  }

  readonly #report = (thrown: unknown): void => {
    const reason = reasonOf(asError(thrown))
    this.#logger.error({ service: this.#service, reason }, 'a listener of onDiscovery threw')
  }
}

function eventOf(service: string, change: ClusterChange, clock: Clock): DiscoveryEvent {
  const { freshness, doubt, instances, reserve, added, removed } = change
  return {
    service,
    freshness: freshness.kind,
    since: sinceOf(freshness, clock),
    reason: freshness.kind === 'fresh' ? undefined : freshness.cause?.message,
    doubt,
    instances,
    reserve,
    added,
    removed,
  }
}

function sinceOf(freshness: ClusterChange['freshness'], clock: Clock): number | undefined {
  if (freshness.kind === 'disk') return freshness.savedAt
  // For people and their logs: the clock's own time begins anywhere.
  return freshness.kind === 'stale' ? clock.unixTime() - (clock.now() - freshness.since) : undefined
}
