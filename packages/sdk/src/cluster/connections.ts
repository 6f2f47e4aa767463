import { Client, errors, type buildConnector, type Dispatcher } from 'undici'
import type { Instance } from '../discovery/resolver.js'
import { toDispatchHandler, type Handler } from '../handler.js'
import { connectorTo, type TlsOptions } from './connector.js'
import { readByTheBook } from './response-parser.js'

/** One request on one connection. */
export interface Occupant extends Handler {
  /** What it is on; written when its turn comes. */
  connection: Client | undefined
}

/** What an occupant leaves its connection in. */
export type Ending =
  /** The response is whole. */
  | 'complete'
  /** It failed, or the connection has become something else than HTTP. */
  | 'broken'
  /** We have given it up, with a request perhaps still on its way. */
  | 'abandoned'

export interface ConnectionsOptions {
  /** Requests above this many wait for a connection, in their order. */
  readonly max: number
  /** For establishing one, in milliseconds; looked at each time. */
  readonly connectTimeoutMs: number
  /** Of each connection. */
  readonly client: Client.Options
  /** For https. */
  readonly tls: TlsOptions
}

/**
 * The connections to one endpoint: an undici Client each, one request at a time on each.
 *
 * The one that became free last is used first, and it counts as free with the end of its response. undici's Pool
 * takes the first that has gone idle, which is two turns of the event loop later: it keeps twice as many sockets, and
 * each request pays for an idle timer set and cleared, and a socket unreferenced and referenced (a tenth of its CPU time).
 * Those that a burst left behind go cold at the bottom of the stack, and their keep-alive timeout ends them.
 */
export class Connections {
  readonly #origin: string
  /** Where the origin's host name leads; undefined: the machine looks it up for each connection. */
  readonly #addresses: readonly string[] | undefined
  readonly #max: number
  readonly #options: ConnectionsOptions
  readonly #client: Client.Options
  #connector: { readonly timeoutMs: number; readonly connect: buildConnector.connector } | undefined
  readonly #all = new Set<Client>()
  readonly #idle: Client[] = []
  readonly #waiting = new Map<Occupant, Dispatcher.DispatchOptions>()
  #closed = false
  #drained: (() => void) | undefined

  constructor({ origin, addresses }: Pick<Instance, 'origin' | 'addresses'>, options: ConnectionsOptions) {
    this.#origin = origin
    this.#addresses = addresses
    this.#max = options.max
    this.#options = options
    this.#client = { ...options.client, connect: (target, callback) => this.#connect(target, callback) }
  }

  /** How many there are, busy and idle. */
  get size(): number {
    return this.#all.size
  }

  /** Sends the request of `occupant`, or lets it wait for its turn. What goes wrong reaches the occupant. */
  send(options: Dispatcher.DispatchOptions, occupant: Occupant): void {
    const client = this.#closed ? undefined : this.#take()
    if (client !== undefined) use(client, options, occupant)
    else if (this.#closed) occupant.onError(new errors.ClientClosedError())
    else this.#waiting.set(occupant, options)
  }

  /** Takes back what `occupant` has used. */
  release(occupant: Occupant, ending: Ending): void {
    const client = occupant.connection
    if (ending === 'complete' && client !== undefined) {
      this.#idle.push(client)
      this.#advance()
    } else if (client === undefined) {
      this.#waiting.delete(occupant)
      this.#advance()
    } else {
      this.#repair(client, ending)
    }
  }

  /** Lets requests in flight and in the queue finish, then closes all. */
  async close(): Promise<void> {
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
    this.#closed = true
    await Promise.all([...this.#all].map((client) => client.close()))
  }

  /** Breaks off its requests with `error`. */
  async destroy(error: Error): Promise<void> {
    this.#closed = true
    const clients = [...this.#all]
    this.#all.clear()
    for (const occupant of this.#waiting.keys()) occupant.onError(error)
    await Promise.all(clients.map((client) => client.destroy(error)))
  }

  #take(): Client | undefined {
    return this.#idle.pop() ?? (this.#all.size < this.#max ? this.#open() : undefined)
  }

  /** By one connector for all, as it keeps the TLS sessions. */
  #connect(target: buildConnector.Options, callback: buildConnector.Callback): void {
    const { tls, connectTimeoutMs: timeoutMs } = this.#options
    if (this.#connector?.timeoutMs !== timeoutMs)
      this.#connector = { timeoutMs, connect: connectorTo(this.#addresses, timeoutMs, tls) }
    this.#connector.connect(target, (...result) => {
      callback(...result)
      if (result[0] === null) readByTheBook(result[1])
    })
  }

  #open(): Client {
    const client = new Client(this.#origin, this.#client)
    this.#all.add(client)
    client.on('disconnect', () => {
      // Busy, it connects again for the request that it has, or its occupant tells us the end.
      if (this.#idle.includes(client)) this.#forget(client)
    })
    return client
  }

  #repair(client: Client, ending: Ending): void {
    if (ending === 'abandoned') this.#forget(client)
    // undici is in the middle of putting the client in order, and would not take a request now.
    queueMicrotask(() => {
      if (ending === 'broken') this.#salvage(client)
      // Its request is broken off by the occupant, and then undici would connect again, for nobody.
      else void client.destroy()
      this.#advance()
    })
  }

  /** A client whose connection is gone is an empty shell, and a new one as good. */
  #salvage(client: Client): void {
    if (client.stats.connected) this.#idle.push(client)
    else this.#forget(client)
  }

  #forget(client: Client): void {
    this.#all.delete(client)
    const place = this.#idle.indexOf(client)
    if (place >= 0) this.#idle.splice(place, 1)
  }

  /** Whoever waits longest is next. */
  #advance(): void {
    if (this.#waiting.size === 0) {
      this.#drained?.()
      return
    }
    for (const [occupant, options] of this.#waiting) {
      const client = this.#take()
      if (client === undefined) return
      this.#waiting.delete(occupant)
      use(client, options, occupant)
    }
    this.#drained?.()
  }
}

function use(client: Client, options: Dispatcher.DispatchOptions, occupant: Occupant): void {
  occupant.connection = client
  client.dispatch(options, toDispatchHandler(occupant))
}
