import { ConsulError } from '../consul/consul-error.js'

/** The right to have queries with the agent, one at a time. */
export interface Slot {
  release(): void
}

/**
 * How many watches may have queries with one agent at once: each holds a connection, of which an agent allows a
 * client 200 (`limits.http_max_conns_per_client`), and resets those above, or answers 429.
 */
export class WatchSlots {
  readonly #agent: string
  readonly #most: number
  #taken = 0

  constructor(agent: string, most: number) {
    this.#agent = agent
    this.#most = most
  }

  /** @throws ConsulError when none is left. */
  take(service: string): Slot {
    if (this.#taken >= this.#most) {
      throw new ConsulError(
        `${service} would be watch ${this.#most + 1} of ${this.#agent} in this process, and consul.maxWatches is ` +
          `${this.#most}: raise it, and limits.http_max_conns_per_client of the agent with it (200 unless set)`,
      )
    }
    this.#taken++
    return {
      release: () => {
        this.#taken--
      },
    }
  }
}
