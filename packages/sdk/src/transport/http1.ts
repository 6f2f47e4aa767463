import { errors, type buildConnector, type Client, type Dispatcher } from 'undici'
import type { AsyncResource } from 'node:async_hooks'
import type { Clock } from '../clock.js'
import type { Instance } from '../discovery/resolver.js'
import type { Handler } from './handler.js'
import { LinkedList, type Linked } from '../collections/linked-list.js'
import { inOwnContext } from '../runtime/own-context.js'
import { mayBeRepeated } from '../resilience/retry.js'
import { Connection } from './connection.js'
import { connectInTime } from './connect-in-time.js'
import { connectorTo, type Connector, type TlsOptions } from './connector.js'
import { readByTheBook } from './response-parser.js'

/** One request on one connection. */
export interface Occupant extends Handler, Linked<Occupant> {
  readonly options: Dispatcher.DispatchOptions
  /** What it is on; written when its turn comes. */
  connection: Connection | undefined
  /** Whose request it is, should its turn come while another one's work runs; undefined: no request of a caller's. */
  readonly context: AsyncResource | undefined
  /** It has waited, and its turn has come. */
  onTurn?(): void
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
  /** For that limit. */
  readonly clock: Clock
  /** Of each connection. */
  readonly client: Client.Options
  /** For https. */
  readonly tls: TlsOptions
  /** Hears why the responses of a connection are read by undici alone: see `readByTheBook`. */
  readonly onUnknownParser?: (misfit: string) => void
}

// After a connection was closed behind a response: so many requests go over connections that have rested, so that of a
// server which always does this one request in a thousand is sent twice, and one that crashed is soon forgiven.
const CAUTION = 1000

/**
 * The connections to one endpoint, one request at a time on each.
 *
 * The one that became free last is used first, and it counts as free with the end of its response. undici's Pool
 * takes the first that has gone idle, which is two turns of the event loop later: it keeps twice as many sockets, and
 * each request pays for an idle timer set and cleared, and a socket unreferenced and referenced (a tenth of its CPU time).
 * Those that a burst left behind go cold at the bottom of the stack, and their keep-alive timeout ends them.
 *
 * A server that closes after answering, without having said so, is not noticed in the turn of its response. Requests
 * that may not be sent twice therefore get a connection that has rested, as each gets from Pool; others are sent again,
 * which `resend` is for.
 */
export class Connections {
  readonly #origin: string
  /** Where the origin's host name leads; undefined: the machine looks it up for each connection. */
  readonly #addresses: readonly string[] | undefined
  readonly #max: number
  readonly #options: ConnectionsOptions
  readonly #client: Client.Options
  /** One for all, as it keeps the TLS sessions. */
  #connector: Connector | undefined
  readonly #all = new Set<Connection>()
  readonly #idle: Connection[] = []
  readonly #waiting = new LinkedList<Occupant>()
  /** So many more requests get a connection that has rested, whatever they are. */
  #caution = 0
  #closed = false
  #drained: (() => void) | undefined

  constructor({ origin, addresses }: Pick<Instance, 'origin' | 'addresses'>, options: ConnectionsOptions) {
    this.#origin = origin
    this.#addresses = addresses
    this.#max = options.max
    this.#options = options
    this.#client = options.client
  }

  /** How many there are, busy and idle. */
  get size(): number {
    return this.#all.size
  }

  /** Sends the request of `occupant`, or lets it wait for its turn. What goes wrong reaches the occupant. */
  send(occupant: Occupant): void {
    if (this.#closed) {
      occupant.onError(new errors.ClientClosedError())
      return
    }
    // One may wait for a connection to rest that another could have: it was here before.
    const connection = this.#waiting.size === 0 ? this.#take(occupant) : undefined
    if (connection === undefined) this.#waiting.append(occupant)
    else use(connection, occupant)
  }

  /**
   * Sends a request over another connection, after its own was closed behind the response before it: one that has not
   * been written, or may be repeated. False: these connections are closed, and it has failed.
   */
  resend(occupant: Occupant): boolean {
    const { connection } = occupant
    if (this.#closed || connection === undefined) return false
    if (!connection.rested) this.#caution = CAUTION
    occupant.connection = undefined
    this.#repair(connection, 'broken')
    this.send(occupant)
    return true
  }

  /** Takes back what `occupant` has used. */
  release(occupant: Occupant, ending: Ending): void {
    const { connection } = occupant
    if (ending === 'complete' && connection !== undefined) {
      connection.becomeFree()
      this.#idle.push(connection)
      this.#advance()
    } else if (connection === undefined) {
      this.#waiting.remove(occupant)
      this.#advance()
    } else {
      this.#repair(connection, ending)
    }
  }

  /** Lets requests in flight and in the queue finish, then closes all. */
  async close(): Promise<void> {
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
    this.#closed = true
    await Promise.all([...this.#all].map(({ client }) => client.close()))
  }

  /** Breaks off its requests, in flight and in the queue, with `error`. Nothing is sent any more. */
  async destroy(error: Error): Promise<void> {
    this.#closed = true
    const connections = [...this.#all]
    const waiting = [...this.#waiting]
    this.#all.clear()
    this.#idle.length = 0
    // Before the first of them hears of it: its place is not to be taken by the next.
    for (const occupant of waiting) this.#waiting.remove(occupant)
    for (const occupant of waiting) occupant.onError(error)
    this.#drained?.()
    await Promise.all(connections.map(({ client }) => client.destroy(error)))
  }

  #take({ options }: Occupant): Connection | undefined {
    const rested = this.#caution > 0 || !mayBeRepeated(options)
    const connection =
      (rested ? this.#takeRested() : this.#idle.pop()) ??
      (this.#all.size < this.#max ? this.#open() : undefined)
    if (connection !== undefined && this.#caution > 0) this.#caution--
    return connection
  }

  /** The last one that has rested. What has not lies above all others, and is what this turn of the loop has left. */
  #takeRested(): Connection | undefined {
    const place = this.#idle.findLastIndex(({ rested }) => rested)
    return place < 0 ? undefined : this.#idle.splice(place, 1)[0]
  }

  #connect(target: buildConnector.Options, callback: buildConnector.Callback): void {
    const { tls, connectTimeoutMs, clock } = this.#options
    const connect = (this.#connector ??= connectorTo(this.#addresses, tls))
    // It outlives the request that it is opened for.
    inOwnContext(() =>
      connectInTime(connect, connectTimeoutMs, clock, target, (...result) => {
        callback(...result)
        if (result[0] !== null) return
        const misfit = readByTheBook(result[1])
        if (misfit !== undefined) this.#options.onUnknownParser?.(misfit)
      }),
    )
  }

  #open(): Connection {
    const connection = new Connection(
      this.#origin,
      this.#client,
      (target, callback) => this.#connect(target, callback),
      () => this.#advance(),
      (closed) => {
        // Busy, it connects again for the request that it has, or its occupant tells us the end.
        if (!this.#idle.includes(closed)) return
        this.#forget(closed)
        this.#advance()
      },
    )
    this.#all.add(connection)
    return connection
  }

  #repair(connection: Connection, ending: Ending): void {
    if (ending === 'abandoned') this.#forget(connection)
    // undici is in the middle of putting the client in order, and would not take a request now.
    queueMicrotask(() => {
      if (ending === 'broken') this.#salvage(connection)
      // Its request is broken off by the occupant, and then undici would connect again, for nobody.
      else void connection.client.destroy()
      this.#advance()
    })
  }

  #salvage(connection: Connection): void {
    if (connection.connected) this.#idle.push(connection)
    else this.#forget(connection)
  }

  #forget(connection: Connection): void {
    this.#all.delete(connection)
    const place = this.#idle.indexOf(connection)
    if (place >= 0) this.#idle.splice(place, 1)
  }

  /** Whoever waits longest is next. */
  #advance(): void {
    if (this.#waiting.size === 0) {
      this.#drained?.()
      return
    }
    const waiting = this.#waiting
    for (let occupant = waiting.first; occupant !== undefined; occupant = waiting.first) {
      const connection = this.#take(occupant)
      if (connection === undefined) return
      waiting.remove(occupant)
      useFor(connection, occupant)
    }
    this.#drained?.()
  }
}

function use(connection: Connection, occupant: Occupant): void {
  occupant.connection = connection
  connection.send(occupant.options, occupant)
}

/** In the context of whoever has waited, and not of whoever has made room. */
function useFor(connection: Connection, occupant: Occupant): void {
  occupant.onTurn?.()
  const { context } = occupant
  if (context === undefined) use(connection, occupant)
  else context.runInAsyncScope(use, undefined, connection, occupant)
}
