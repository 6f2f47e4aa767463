import type { ExcludedInstance, Snapshot } from '../discovery/resolver.js'
import { addressOf } from '../discovery/origin.js'
import { few } from '../logger.js'
import type { BalancerStep, ClusterChange, Events, Freshness } from '../observe/events.js'
import type { NextEndpoints } from './endpoint-set.js'

/** Publishes what becomes of one service's endpoints: once when it begins, and once when it is over. */
export class ClusterNews {
  readonly #service: string
  readonly #resolver: string
  readonly #events: Events
  #inPanic: readonly number[] = []
  #empty = false

  constructor(service: string, resolver: string, events: Events) {
    this.#service = service
    this.#resolver = resolver
    this.#events = events
  }

  /** The first failure of an outage. */
  failed(before: Freshness, instances: number, error: Error): void {
    // That a saved set serves has been told with it.
    if (before.kind !== 'waiting' && before.kind !== 'fresh') return
    this.#events.publish({ type: 'discovery:failed', ...this.#source, before: before.kind, instances, error })
  }

  /** A set has come. */
  answered(before: Freshness, { excluded, suspect, instances, savedAt }: Snapshot): void {
    const count = { instances: instances.length, excluded: excluded.length }
    this.#events.publish({ type: 'discovery:answered', ...this.#source, ...count, suspect })
    if (savedAt !== undefined) {
      const service = this.#service
      this.#events.publish({ type: 'discovery:restored', service, instances: instances.length, savedAt })
    } else if (before.kind === 'stale' || before.kind === 'disk') {
      this.#events.publish({ type: 'discovery:recovered', ...this.#source, instances: instances.length })
    }
  }

  /** The set has been taken in. `why`: there is no endpoint; undefined: there is one. */
  empty(why: string | undefined): void {
    const before = this.#empty
    this.#empty = why !== undefined
    if (why === undefined || before) return
    this.#events.publish({ type: 'discovery:empty', service: this.#service, reason: why })
  }

  /** The set of endpoints is another one. */
  changed({ endpoints, added, removed }: NextEndpoints, excluded: readonly ExcludedInstance[]): void {
    this.#events.publish({
      type: 'cluster:changed',
      service: this.#service,
      instances: endpoints.size,
      added: few(added, addressOf),
      removed: few(removed, ({ address }) => address),
      excluded: few(excluded, ({ key, reason }) => `${key}: ${reason}`),
    })
  }

  /** Something has changed, for `onDiscovery` and its like. */
  updated(change: ClusterChange): void {
    this.#events.publish({ type: 'cluster:updated', service: this.#service, change })
  }

  /** Which priorities are in panic. */
  panics(priorities: readonly number[]): void {
    const before = this.#inPanic
    this.#inPanic = priorities
    if (priorities.join() === before.join()) return
    this.#events.publish({ type: 'cluster:panic', service: this.#service, priorities })
  }

  /** The balancer threw. */
  broken(during: BalancerStep, error: Error): void {
    this.#events.publish({ type: 'cluster:balancer-failed', service: this.#service, during, error })
  }

  /** What discovery says cannot be taken in. */
  invalid(error: Error): void {
    this.#events.publish({ type: 'discovery:invalid', ...this.#source, error })
  }

  /** Discovery is not followed for now. */
  idle(idleMs: number): void {
    this.#events.publish({ type: 'discovery:idle', service: this.#service, idleMs })
  }

  get #source(): { readonly service: string; readonly resolver: string } {
    return { service: this.#service, resolver: this.#resolver }
  }
}
