import type { ServerResponse } from 'node:http'
import type { Clock } from '../clock.js'
import { goDurationMs } from '../discovery/consul/go-duration.js'

// Consul's own: features/blocking.
const DEFAULT_WAIT_MS = 300_000
const LONGEST_WAIT_MS = 600_000

/** Queries that wait for something to change, for as long as they said. */
export class BlockedQueries {
  readonly #clock: Clock
  readonly #blocked = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `send` when the index is above that of the query, or when the query's time is over. */
  add(query: URLSearchParams, response: ServerResponse, index: () => number, send: () => void): void {
    const asked = Number(query.get('index') ?? 0)
    if (asked === 0 || index() > asked) {
      send()
      return
    }
    const waitMs = goDurationMs(query.get('wait')) ?? DEFAULT_WAIT_MS
    const done = (): void => {
      this.#blocked.delete(look)
      this.#clock.clearTimer(timer)
    }
    const release = (): void => {
      done()
      send()
    }
    const timer = this.#clock.setTimer(release, Math.min(waitMs, LONGEST_WAIT_MS))
    const look = (): void => {
      if (index() > asked) release()
    }
    this.#blocked.add(look)
    response.once('close', done)
  }

  /** Something has changed. */
  wake(): void {
    for (const look of [...this.#blocked]) look()
  }
}
