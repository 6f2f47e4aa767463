import type { Random } from '@fairlead/sdk'
import type { SimClient } from './client.js'
import { SimServer, type Machine } from './server.js'
import type { Timeline } from './timeline.js'

// A blocking query is answered at once; what lies between is the agent's own rate limit and the client's event loop.
const LONGEST_NEWS_MS = 200

/** All servers there ever were, and the registry that tells clients which of them to use. */
export class Fleet {
  readonly servers: SimServer[] = []
  readonly #clients: readonly SimClient[]
  readonly #timeline: Timeline
  readonly #random: Random
  #listed: readonly SimServer[] = []

  constructor(clients: readonly SimClient[], timeline: Timeline, random: Random) {
    this.#clients = clients
    this.#timeline = timeline
    this.#random = random
  }

  /** Starts a server that is not registered yet. */
  start(machine: Machine): SimServer {
    const server = new SimServer(this.servers.length + 1, machine, this.#timeline)
    this.servers.push(server)
    return server
  }

  /** Lists these for clients that have not begun: all know them at once. */
  open(servers: readonly SimServer[]): void {
    this.#listed = servers
    for (const client of this.#clients) client.update(servers)
  }

  /** Takes some off the list and puts others on it; each client hears of it in its own time. */
  replace(leaving: readonly SimServer[], joining: readonly SimServer[]): void {
    const now = this.#timeline.now()
    for (const server of leaving) server.unlistedAt = now
    for (const server of joining) server.listedAt = now
    const listed = [...this.#listed.filter((server) => !leaving.includes(server)), ...joining]
    this.#listed = listed
    for (const client of this.#clients) {
      // What has been overtaken by later news is not news.
      this.#timeline.after(this.#random.next() * LONGEST_NEWS_MS, () => client.update(this.#listed))
    }
  }
}
