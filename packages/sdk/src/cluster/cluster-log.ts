import type { ExcludedInstance, Snapshot } from '../discovery/resolver.js'
import { reasonOf } from '../errors.js'
import { few, type Logger } from '../logger.js'
import type { NextEndpoints } from './endpoint-set.js'
import type { Freshness } from './freshness.js'

/** What an operator is told of one service's endpoints: what has happened, and what comes of it. */
export class ClusterLog {
  readonly #service: string
  readonly #resolver: string
  readonly #logger: Logger
  #panicking: readonly number[] = []
  #empty = false

  constructor(service: string, resolver: string, logger: Logger) {
    this.#service = service
    this.#resolver = resolver
    this.#logger = logger
  }

  /** The first failure of an outage. */
  failed(before: Freshness, instances: number, cause: Error): void {
    // That a saved set serves has been said with it.
    if (before.kind === 'disk') return
    this.#logger.warn(
      { service: this.#service, instances, reason: reasonOf(cause) },
      before.kind === 'waiting'
        ? 'discovery failed before its first answer: requests wait, and it is asked again'
        : 'discovery failed: the last known instances serve on, and it is asked again',
    )
  }

  /** A set has come. */
  answered(before: Freshness, snapshot: Snapshot): void {
    const { excluded, suspect: doubt, instances } = snapshot
    this.#logger.debug?.(
      { service: this.#service, instances: instances.length, excluded: excluded.length, doubt },
      `${this.#resolver} answered`,
    )
    this.#tellTurn(before, snapshot)
  }

  #tellTurn(before: Freshness, { savedAt, instances: { length: instances } }: Snapshot): void {
    const service = this.#service
    if (savedAt !== undefined) {
      this.#logger.warn(
        { service, instances, savedAt: new Date(savedAt).toISOString() },
        'discovery has no answer to go by: the instances that were last saved serve, and it is asked again',
      )
    } else if (before.kind === 'stale' || before.kind === 'disk') {
      this.#logger.info({ service, instances }, `${this.#resolver} answers again`)
    }
  }

  /** The set has been taken in: `why` there is no endpoint, or undefined where there is one. Said when it begins. */
  empty(why: string | undefined): void {
    const before = this.#empty
    this.#empty = why !== undefined
    if (why === undefined || before) return
    this.#logger.warn(
      { service: this.#service, code: 'NO_ENDPOINTS', reason: why },
      `no instance of ${this.#service} to send requests to: they fail with NO_ENDPOINTS until there is one; is the name spelt as it is registered?`,
    )
  }

  changed({ endpoints, added, removed }: NextEndpoints, excluded: readonly ExcludedInstance[]): void {
    this.#logger.info(
      {
        service: this.#service,
        instances: endpoints.size,
        added: few(added, ({ origin }) => origin),
        removed: few(removed, ({ address }) => address),
        excluded: few(excluded, ({ key, reason }) => `${key}: ${reason}`),
      },
      'instances changed',
    )
  }

  /** Which levels are in panic; said when it begins and when it ends. */
  panics(levels: readonly number[]): void {
    const before = this.#panicking
    this.#panicking = levels
    if (levels.join() === before.join()) return
    const fields = { service: this.#service, levels }
    if (levels.length > 0) {
      this.#logger.warn(fields, 'too few endpoints are usable: all that discovery calls healthy are used')
    } else {
      this.#logger.info(fields, 'enough endpoints are usable again: the others are left out')
    }
  }

  broken(error: Error): void {
    this.#logger.error(
      { service: this.#service, reason: reasonOf(error) },
      'the balancer threw: requests fail until the set changes',
    )
  }

  rests(idleMs: number): void {
    this.#logger.info(
      { service: this.#service, idleMs },
      'no request for a while: discovery is followed again with the next one',
    )
  }
}
