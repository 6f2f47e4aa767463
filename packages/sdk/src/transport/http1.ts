import type { Socket } from 'node:net'
import { errors, type buildConnector, type Client } from 'undici'
import type { Clock } from '../clock.js'
import type { Instance } from '../discovery/resolver.js'
import { LinkedList } from '../collections/linked-list.js'
import type { Random } from '../random.js'
import { inOwnContext } from '../runtime/own-context.js'
import { mayBeRepeated } from '../resilience/retry.js'
import { Connection, type ConnectionListener, type Lifetime } from './connection.js'
import { connectInTime } from './connect-in-time.js'
import type { Connector, ConnectorFactory } from './connector.js'
import { Leaving } from './leaving.js'
import { limitedLifetime } from './lifetime.js'
import { readByTheBook } from './response-parser.js'
import { SpareConnections } from './spare-connections.js'
import type { ReleaseReason, Transport, TransportFactory, TransportRequest } from './transport.js'

/** How endpoints are connected to over HTTP/1.1. */
export interface Http1Options {
  /** Who connects to an instance. */
  readonly connector: ConnectorFactory
  /** Connections to one endpoint at most; requests above it queue, in their order. */
  readonly max: number
  /** For establishing one, in milliseconds; looked at each time. */
  readonly connectTimeoutMs: () => number
  /** For that limit. */
  readonly clock: Clock
  /** Of each connection. */
  readonly client: Client.Options
  /** Hears why the responses of a connection are parsed by undici alone: see `readByTheBook`. */
  readonly onUnknownParser?: (misfit: string) => void
  /** How old a connection may become, in milliseconds, and what shortens that for each. Default: no limit. */
  readonly maxAge?: { readonly ms: number; readonly random: Random }
  /** Requests that a connection may carry. Default: any number. */
  readonly maxRequests?: number
}

// That of undici's clients, where theirs is not given.
const KEEP_ALIVE_MS = 4000

/** HTTP/1.1, one request at a time on each connection. */
export function http1(options: Http1Options): TransportFactory {
  return (instance, onLeaving) => new Http1Transport(instance, options, onLeaving)
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
export class Http1Transport implements Transport {
  readonly #origin: string
  readonly #options: Http1Options
  /** One for all connections, as it keeps the TLS sessions. */
  readonly #connector: Connector
  readonly #all = new Set<Connection>()
  readonly #idle: Connection[] = []
  readonly #waiting = new LinkedList<TransportRequest>()
  readonly #spares: SpareConnections
  readonly #lifetime: Lifetime
  readonly #leaving: Leaving
  readonly #listener: ConnectionListener = {
    onRest: () => this.#advance(),
    onClose: (closed) => {
      // Busy, it connects again for the request that it has, or that request tells us the end.
      if (!this.#idle.includes(closed)) return
      this.#forget(closed)
      this.#advance()
    },
    onOld: (old) => {
      // Busy, it carries what it has to the end.
      if (this.#idle.includes(old)) this.#retire(old)
    },
  }
  /** So many more requests get a connection that has rested, whatever they are. */
  #caution = 0
  #closed = false
  #drained: (() => void) | undefined

  constructor(
    instance: Pick<Instance, 'origin' | 'addresses'>,
    options: Http1Options,
    onLeaving: () => void,
  ) {
    this.#origin = instance.origin
    this.#leaving = new Leaving(onLeaving)
    this.#connector = options.connector(instance)
    this.#options = options
    this.#lifetime = limitedLifetime(options)
    this.#spares = new SpareConnections(
      instance.origin,
      (target, callback) =>
        connectInTime(this.#connector, options.connectTimeoutMs(), options.clock, target, callback),
      options.client.keepAliveTimeout ?? KEEP_ALIVE_MS,
      options.clock,
    )
  }

  get connections(): number {
    return this.#all.size + this.#spares.size
  }

  preconnect(count: number): void {
    if (this.#closed) return
    // It outlives what asks for it.
    inOwnContext(() => this.#spares.open(Math.min(count, this.#options.max) - this.connections))
  }

  send(request: TransportRequest): void {
    if (this.#closed) {
      request.onError(new errors.ClientClosedError())
      return
    }
    // One may be queued for a connection to rest that this one could have: it was here before.
    const connection = this.#waiting.size === 0 ? this.#take(request) : undefined
    if (connection === undefined) this.#waiting.append(request)
    else use(connection, request)
  }

  /** Takes in a connection that someone else has established, for a request to come. */
  adopt(socket: Socket): void {
    if (this.#closed || this.connections >= this.#options.max) socket.destroy()
    else this.#spares.add(socket)
  }

  /**
   * A connection that has answered before, closed without a byte of an answer: the endpoint closed it behind that answer,
   * which is not a failure of this request. Unless it was written to a connection that had rested: that may be anything.
   */
  resend(request: TransportRequest, error: Error): boolean {
    const { carrier, written, answered } = request
    if (!(carrier instanceof Connection) || !carrier.used || answered || !isClosure(error)) return false
    if (this.#closed || (written && carrier.rested)) return false
    if (!carrier.rested) this.#caution = CAUTION
    request.carrier = undefined
    this.#repair(carrier, 'failed')
    this.send(request)
    return true
  }

  release(request: TransportRequest, reason: ReleaseReason): void {
    const { carrier } = request
    if (!(carrier instanceof Connection)) {
      this.#waiting.remove(request)
      this.#advance()
    } else if (reason === 'complete') {
      carrier.becomeFree()
      this.#leaving.answered()
      if (carrier.spent) this.#retire(carrier)
      else this.#idle.push(carrier)
      this.#advance()
    } else {
      this.#repair(carrier, reason)
    }
  }

  unqueue(error: Error): void {
    const waiting = [...this.#waiting]
    for (const request of waiting) this.#waiting.remove(request)
    for (const request of waiting) request.onError(error)
  }

  /** Lets requests in flight and in the queue finish, then closes all. */
  async close(): Promise<void> {
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
    this.#closed = true
    this.#spares.close()
    await Promise.all([...this.#all].map(({ client }) => client.close()))
  }

  /** Aborts its requests, in flight and in the queue, with `error`. Nothing is sent any more. */
  async destroy(error: Error): Promise<void> {
    this.#closed = true
    this.#spares.close()
    const connections = [...this.#all]
    const waiting = [...this.#waiting]
    this.#all.clear()
    this.#idle.length = 0
    // Before the first of them hears of it: its place is not to be taken by the next.
    for (const request of waiting) this.#waiting.remove(request)
    for (const request of waiting) request.onError(error)
    this.#drained?.()
    // Called from a callback of a request that is being written, undici would assert that it is not.
    await Promise.resolve()
    await Promise.all(connections.map(({ client }) => client.destroy(error)))
  }

  #take({ options }: TransportRequest): Connection | undefined {
    const rested = this.#caution > 0 || !mayBeRepeated(options)
    const connection =
      (rested ? this.#takeRested() : this.#idle.pop()) ??
      (this.#all.size < this.#options.max ? this.#open() : undefined)
    if (connection !== undefined && this.#caution > 0) this.#caution--
    return connection
  }

  /** The last one that has rested. What has not lies above all others, and is what this turn of the loop has left. */
  #takeRested(): Connection | undefined {
    const place = this.#idle.findLastIndex(({ rested }) => rested)
    return place < 0 ? undefined : this.#idle.splice(place, 1)[0]
  }

  /** @param onLast A response says that its connection is closed behind it. */
  #connect(target: buildConnector.Options, callback: buildConnector.Callback, onLast: () => void): void {
    const { connectTimeoutMs, clock } = this.#options
    const connected: buildConnector.Callback = (...result) => {
      callback(...result)
      if (result[0] === null) this.#read(result[1], onLast)
    }
    if (this.#spares.take(target.servername, connected)) return
    // It outlives the request that it is opened for.
    inOwnContext(() => connectInTime(this.#connector, connectTimeoutMs(), clock, target, connected))
  }

  #read(socket: Socket, onLast: () => void): void {
    const misfit = readByTheBook(socket, onLast)
    if (misfit !== undefined) this.#options.onUnknownParser?.(misfit)
  }

  #open(): Connection {
    const connection: Connection = new Connection(
      this.#origin,
      this.#options.client,
      (target, callback) =>
        this.#connect(target, callback, () => connection.asksToClose || this.#leaving.closedBehind()),
      this.#lifetime,
      this.#listener,
    )
    this.#all.add(connection)
    return connection
  }

  /** It carries no other request. */
  #retire(connection: Connection): void {
    this.#forget(connection)
    // Its last request may not be over for undici yet.
    void connection.client.close()
  }

  #repair(connection: Connection, reason: ReleaseReason): void {
    if (reason === 'cancelled') this.#forget(connection)
    // undici is in the middle of putting the client in order, and would not take a request now.
    queueMicrotask(() => {
      if (reason === 'failed') this.#salvage(connection)
      // Its request is aborted by its sender, and then undici would connect again, without a request.
      else void connection.client.destroy()
      this.#advance()
    })
  }

  #salvage(connection: Connection): void {
    if (!connection.connected) this.#forget(connection)
    else if (connection.spent) this.#retire(connection)
    else this.#idle.push(connection)
  }

  #forget(connection: Connection): void {
    this.#all.delete(connection)
    const place = this.#idle.indexOf(connection)
    if (place >= 0) this.#idle.splice(place, 1)
  }

  /** The one that has waited longest is next. */
  #advance(): void {
    if (this.#waiting.size === 0) {
      this.#drained?.()
      return
    }
    const waiting = this.#waiting
    for (let request = waiting.first; request !== undefined; request = waiting.first) {
      const connection = this.#take(request)
      if (connection === undefined) return
      waiting.remove(request)
      useFor(connection, request)
    }
    this.#drained?.()
  }
}

function use(connection: Connection, request: TransportRequest): void {
  request.carrier = connection
  connection.send(request.toSend?.() ?? request.options, request)
}

/** Did the other side close the connection? */
function isClosure(error: Error & { readonly code?: unknown }): boolean {
  return error.code === 'UND_ERR_SOCKET' || error.code === 'ECONNRESET' || error.code === 'EPIPE'
}

/** In the context of the one that has waited, and not of the one that has made room. */
function useFor(connection: Connection, request: TransportRequest): void {
  request.onTurn?.()
  const { context } = request
  if (context === undefined) use(connection, request)
  else context.runInAsyncScope(use, undefined, connection, request)
}
