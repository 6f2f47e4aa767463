import { ConsulError } from '../../consul/consul-error.js'

/** The right to have queries with the agent, one at a time. */
export interface Slot {
  release(): void
}

/** The watches that a process has with one agent, of all clients. */
export interface WatchCount {
  taken: number
}

/**
 * How many watches may have queries with one agent at once: each holds a connection, of which an agent allows a
 * client 200 (`limits.http_max_conns_per_client`), and resets those above, or answers 429.
 */
export class WatchSlots {
  readonly #agent: string
  readonly #most: number
  readonly #count: WatchCount

  /** @param count Shared by all who ask the same agent, each with a `most` of its own. */
  constructor(agent: string, most: number, count: WatchCount) {
    this.#agent = agent
    this.#most = most
    this.#count = count
  }

  /** @throws ConsulError when none is left. */
  take(service: string): Slot {
    const count = this.#count
    if (count.taken >= this.#most) {
      throw new ConsulError(
        `${service} would be watch ${count.taken + 1} of ${this.#agent} in this process, and consul.maxWatches is ` +
          `${this.#most}: raise it, and limits.http_max_conns_per_client of the agent with it (200 unless set)`,
      )
    }
    count.taken++
    return {
      release: () => {
        count.taken--
      },
    }
  }
}
