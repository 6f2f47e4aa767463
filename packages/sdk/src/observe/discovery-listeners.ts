import { AsyncResource } from 'node:async_hooks'
import type { Clock } from '../clock.js'
import type { Instance } from '../discovery/resolver.js'
import { asError } from '../errors.js'
import { invalidOption } from '../validation/invalid-option.js'
import type { ClusterChange, Events, FairleadEvent, Subscriber } from './events.js'

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
  /** Why the last answer is suspect, so that what it does not list may still be there; undefined: it is not. */
  readonly suspect: string | undefined
  /** All that discovery lists. */
  readonly instances: readonly Instance[]
  /** Retained although discovery no longer lists them, until traffic or time decides. */
  readonly retained: readonly Instance[]
  /** What has come to, and gone from, `instances` and `retained` taken together. */
  readonly added: readonly Instance[]
  /** What has gone from both; see `added`. */
  readonly removed: readonly Instance[]
}

/**
 * Called after every change, in order, with plain data. What it throws is logged as an error, and stops no other
 * listener.
 */
export type DiscoveryListener = (event: DiscoveryEvent) => void

/** The listeners of `onDiscovery`: a subscriber of the events. What they throw stays with them. */
export class DiscoveryListeners implements Subscriber {
  readonly traffic = false
  readonly #clock: Clock
  readonly #events: Events
  readonly #listeners = new Set<(event: DiscoveryEvent) => unknown>()

  /** @param events Where it subscribes, and where what a listener throws is told. */
  constructor(clock: Clock, events: Events) {
    this.#clock = clock
    this.#events = events
    events.subscribe(this)
  }

  add(listener: DiscoveryListener): () => void {
    if (typeof (listener as unknown) !== 'function')
      throw invalidOption('listener of onDiscovery', listener, 'a function')
    // Another function each time: added twice, it is called twice, and taken back once at a time.
    // In the context in which it was added, as what it is told of happens in no request's.
    const own = AsyncResource.bind((event: DiscoveryEvent): unknown => listener(event))
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  hear(event: FairleadEvent): void {
    if (event.type !== 'cluster:updated' || this.#listeners.size === 0) return
    const { service } = event
    const change = eventOf(service, event.change, this.#clock)
    for (const listener of [...this.#listeners]) {
      // One before it may have taken it back.
      if (this.#listeners.has(listener)) this.#tell(listener, change)
    }
  }

  #tell(listener: (event: DiscoveryEvent) => unknown, event: DiscoveryEvent): void {
    const report = (thrown: unknown): void => {
      const { service } = event
      const error = asError(thrown)
      this.#events.publish({ type: 'client:listener-failed', service, listener: 'onDiscovery', error })
    }
    try {
      // Asynchronous functions are taken for listeners as well, and their rejections have to end somewhere.
      const ended = listener(event)
      if (ended instanceof Promise) ended.catch(report)
    } catch (thrown) {
      report(thrown)
    }
  }
}

function eventOf(service: string, change: ClusterChange, clock: Clock): DiscoveryEvent {
  const { freshness, suspect, instances, retained, added, removed } = change
  return {
    service,
    freshness: freshness.kind,
    since: sinceOf(freshness, clock),
    reason: freshness.kind === 'fresh' ? undefined : freshness.cause?.message,
    suspect,
    instances,
    retained,
    added,
    removed,
  }
}

function sinceOf(freshness: ClusterChange['freshness'], clock: Clock): number | undefined {
  if (freshness.kind === 'disk') return freshness.savedAt
  // For people and their logs: the clock's own time begins anywhere.
  return freshness.kind === 'stale' ? clock.unixTime() - (clock.now() - freshness.since) : undefined
}
