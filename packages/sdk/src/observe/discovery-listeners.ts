import type { Clock } from '../clock.js'
import type { ClusterChange } from '../cluster/cluster.js'
import type { Instance } from '../discovery/resolver.js'
import { asError, reasonOf } from '../errors.js'
import type { Logger } from '../logger.js'

/** What has changed in what discovery knows of a service. Plain data. */
export interface DiscoveryEvent {
  readonly service: string
  /** `stale`: the last known set serves on. `disk`: a saved set serves, as discovery has not answered yet. */
  readonly freshness: 'waiting' | 'fresh' | 'stale' | 'disk'
  /** Since when it is stale, or when it was saved, in Unix milliseconds. */
  readonly since: number | undefined
  /** Why it is not fresh. */
  readonly reason: string | undefined
  /** What speaks against believing that what is no longer listed is gone. */
  readonly doubt: string | undefined
  /** The whole set. */
  readonly instances: readonly Instance[]
  readonly added: readonly Instance[]
  readonly removed: readonly Instance[]
}

export type DiscoveryListener = (event: DiscoveryEvent) => void

/** Those who want to hear of changes. What they throw stays with them. */
export class DiscoveryListeners {
  readonly #service: string
  readonly #logger: Logger
  readonly #listeners = new Set<DiscoveryListener>()

  constructor(service: string, logger: Logger) {
    this.#service = service
    this.#logger = logger
  }

  add(listener: DiscoveryListener): () => void {
    // Another function each time: added twice, it is called twice, and taken back once at a time.
    const own: DiscoveryListener = (event) => listener(event)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  announce(change: ClusterChange, clock: Clock): void {
    if (this.#listeners.size === 0) return
    const event = eventOf(this.#service, change, clock)
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (thrown) {
        const reason = reasonOf(asError(thrown))
        this.#logger.error({ service: this.#service, reason }, 'a listener of onDiscovery threw')
      }
    }
  }
}

function eventOf(service: string, change: ClusterChange, clock: Clock): DiscoveryEvent {
  const { freshness, doubt, instances, added, removed } = change
  return {
    service,
    freshness: freshness.kind,
    since: sinceOf(freshness, clock),
    reason: freshness.kind === 'fresh' ? undefined : freshness.cause?.message,
    doubt,
    instances,
    added,
    removed,
  }
}

function sinceOf(freshness: ClusterChange['freshness'], clock: Clock): number | undefined {
  if (freshness.kind === 'disk') return freshness.savedAt
  // For people and their logs: the clock's own time begins anywhere.
  return freshness.kind === 'stale' ? clock.unixTime() - (clock.now() - freshness.since) : undefined
}
