import type { Socket } from 'node:net'
import { errors, type buildConnector, type Dispatcher } from 'undici'
import type { Clock } from '../clock.js'
import { LinkedList } from '../collections/linked-list.js'
import type { Instance } from '../discovery/resolver.js'
import { inOwnContext } from '../runtime/own-context.js'
import { connectInTime } from './connect-in-time.js'
import type { Lifetime } from './connection.js'
import type { AbortConnect, Connector, ConnectorFactory } from './connector.js'
import { http2Connector, type Spoken } from './http2-connect.js'
import {
  Http2Connection,
  inContext,
  type Http2ConnectionListener,
  type Http2ConnectionOptions,
} from './http2-connection.js'
import { Exchange } from './http2-exchange.js'
import { limitedLifetime, type LifetimeOptions } from './lifetime.js'
import type { Transport, TransportFactory, TransportRequest } from './transport.js'

/** How endpoints are connected to over HTTP/2. */
export interface Http2Options extends LifetimeOptions {
  /** Who connects to an instance; over TLS it offers `h2` by ALPN. */
  readonly connector: ConnectorFactory
  /** Connections to one endpoint at most; requests for which there is no stream on any of them queue, in their order. */
  readonly max: number
  /** For establishing one, the endpoint's SETTINGS included, in milliseconds; looked at each time. */
  readonly connectTimeoutMs: () => number
  /** For all limits of time but `bodyTimeoutMs`, which is by the machine's. */
  readonly clock: Clock
  /** How long an idle connection is kept, in milliseconds. */
  readonly keepAliveMs: number
  /** A PING is sent so often, in milliseconds. Default: only where the endpoint is suspected to be gone. */
  readonly pingMs?: number | undefined
  /** Longest pause within a response, in milliseconds; 0: none is too long. */
  readonly bodyTimeoutMs: number
  /** Of the head of a response, in bytes. */
  readonly maxHeaderBytes: number
}

// RFC 9113, 5.1.1: ids of 31 bits, of which a client has the odd ones.
const MOST_STREAMS = 2 ** 30 - 1

/** Takes over where an endpoint wants HTTP/1.1 by ALPN: the connection, and what was to be sent on it. */
type FallBack = (socket: Socket, requests: readonly TransportRequest[]) => void

/** HTTP/2, many requests at a time on each connection: over TLS by ALPN, in clear by prior knowledge (`h2c`). */
export function http2(options: Http2Options): TransportFactory {
  return (instance) => new Http2Transport(instance, options)
}

/**
 * The connections to one endpoint, on each as many requests as the endpoint allows. Another one is opened where the first
 * has no room, or is suspected to be dead.
 *
 * On node:http2 and not on undici's own client of HTTP/2, which (7.30) ends a session with all its requests at a GOAWAY,
 * whatever its last stream was.
 */
export class Http2Transport implements Transport {
  readonly #options: Http2Options
  readonly #ofConnection: Http2ConnectionOptions
  readonly #connector: Connector
  readonly #target: buildConnector.Options
  readonly #lifetime: Lifetime
  readonly #fallBack: FallBack | undefined
  readonly #connections: Http2Connection[] = []
  /** How to abort those that are being established. */
  readonly #connecting = new Map<Http2Connection, AbortConnect>()
  readonly #waiting = new LinkedList<TransportRequest>()
  /** Those that have had another try. */
  readonly #resent = new WeakSet<TransportRequest>()
  /** The queue advances: room that is made meanwhile is found by who advances it. */
  #advancing = false
  #closed = false
  #settled: (() => void) | undefined
  readonly #listener: Http2ConnectionListener = {
    onRoom: () => this.#advance(),
    onClosed: (closed) => {
      this.#connections.splice(this.#connections.indexOf(closed), 1)
      this.#advance()
    },
  }

  /** @param fallBack Default: an endpoint that wants HTTP/1.1 is a failure. */
  constructor(instance: Pick<Instance, 'origin' | 'addresses'>, options: Http2Options, fallBack?: FallBack) {
    const { origin } = instance
    const { host, hostname, protocol, port } = new URL(origin)
    this.#options = options
    this.#connector = options.connector(instance)
    this.#target = { host, hostname: hostname.replace(/^\[|\]$/g, ''), protocol, port }
    const lifetime = limitedLifetime(options)
    this.#lifetime = { ...lifetime, maxRequests: Math.min(lifetime.maxRequests, MOST_STREAMS) }
    this.#fallBack = fallBack
    const { keepAliveMs, pingMs, bodyTimeoutMs, maxHeaderBytes, clock } = options
    this.#ofConnection = {
      ...{ origin, keepAliveMs, pingMs, bodyTimeoutMs, maxHeaderBytes, clock },
      lifetime: this.#lifetime,
    }
  }

  get connections(): number {
    return this.#connections.length
  }

  send(request: TransportRequest): void {
    if (this.#closed) {
      request.onError(new errors.ClientClosedError())
      return
    }
    if (switchesProtocols(request.options)) {
      const { method, upgrade } = request.options
      const what = upgrade ? `an upgrade to ${String(upgrade)}` : method
      request.onError(
        new errors.NotSupportedError(
          `${what} needs HTTP/1.1 (option connections.protocol: 'http1' or 'auto')`,
        ),
      )
      return
    }
    const connection = this.#waiting.size === 0 ? this.#withRoom() : undefined
    if (connection === undefined) this.#waiting.append(request)
    else connection.carry(request)
  }

  preconnect(count: number): void {
    // One carries many requests.
    if (count > 0 && !this.#closed && this.#connections.length === 0) this.#open()
  }

  /**
   * Its connection was about to close, and the endpoint has said that it has not processed the request, or it was not sent
   * at all: once it gets another try, on another connection.
   */
  resend(request: TransportRequest): boolean {
    const { carrier } = request
    if (!(carrier instanceof Exchange) || !carrier.resendable || this.#closed) return false
    if (this.#resent.has(request)) return false
    this.#resent.add(request)
    makeUnsent(request)
    this.send(request)
    return true
  }

  /** Gives back a request that the endpoint wants over HTTP/1.1, to be sent so. False: it does not. */
  yields(request: TransportRequest): boolean {
    const { carrier } = request
    if (!(carrier instanceof Exchange) || !carrier.wantsHttp1 || this.#closed) return false
    makeUnsent(request)
    return true
  }

  release(request: TransportRequest): void {
    const { carrier } = request
    // Where it has a stream, that ends by itself or is reset, and its place is free when it has closed.
    if (carrier === undefined) this.#waiting.remove(request)
    else if (carrier instanceof Http2Connection) carrier.unassign(request)
    this.#advance()
  }

  unqueue(error: Error): void {
    const waiting = [...this.#connections.flatMap((each) => [...each.unassignAll()]), ...this.#queued()]
    for (const request of waiting) request.onError(error)
  }

  async close(): Promise<void> {
    if (this.#waiting.size > 0 || this.#connections.some(({ active }) => active > 0)) {
      await new Promise<void>((resolve) => (this.#settled = resolve))
    }
    this.#closed = true
    for (const connection of [...this.#connections]) {
      connection.drain()
      if (connection.connecting) this.#destroy(connection, new errors.ClientClosedError())
    }
  }

  async destroy(error: Error): Promise<void> {
    this.#closed = true
    this.unqueue(error)
    const connections = [...this.#connections]
    for (const connection of connections) this.#destroy(connection, error)
    this.#settled?.()
    await Promise.resolve()
  }

  /** Is this what carries a request of its own? */
  carries(carrier: object | undefined): boolean {
    return carrier instanceof Exchange || carrier instanceof Http2Connection
  }

  /** The first with room, so that the last ones go idle; or a new one; or one that is suspected to be dead. */
  #withRoom(): Http2Connection | undefined {
    const withRoom = this.#connections.filter(({ room }) => room > 0)
    const sound = withRoom.find(({ suspect }) => !suspect)
    if (sound !== undefined) return sound
    const inUse = this.#connections.filter(({ draining }) => !draining)
    const mayOpen = inUse.length < this.#options.max && !inUse.some(({ withheld }) => withheld)
    return mayOpen ? this.#open() : withRoom[0]
  }

  #open(): Http2Connection {
    const connection = new Http2Connection(this.#ofConnection, this.#listener)
    this.#connections.push(connection)
    let spoken: Spoken | undefined
    const { connectTimeoutMs, clock, maxHeaderBytes } = this.#options
    const connector = http2Connector(this.#connector, maxHeaderBytes, (speaks) => (spoken = speaks))
    const connect = (): void => {
      // Closed before it was begun.
      if (!this.#connections.includes(connection)) return
      const abort = connectInTime(connector, connectTimeoutMs(), clock, this.#target, (...[error]) => {
        this.#connecting.delete(connection)
        if (error === null && spoken !== undefined) this.#connected(connection, spoken)
        else this.#failed(connection, error ?? new errors.SocketError('no connection'))
      })
      if (connection.connecting) this.#connecting.set(connection, abort)
    }
    // It outlives the request that it is opened for; and that one is to be assigned first, should it fail at once.
    queueMicrotask(() => inOwnContext(connect))
    return connection
  }

  #connected(connection: Http2Connection, spoken: Spoken): void {
    if (!this.#connections.includes(connection)) {
      // Closed meanwhile.
      if (spoken.protocol === 'http2') spoken.session.destroy()
      spoken.socket.destroy()
    } else if (spoken.protocol === 'http2') {
      this.#advance(() => {
        const rest = connection.established(spoken)
        // They were first.
        const behind = [...this.#queued()]
        for (const request of [...rest, ...behind]) this.#waiting.append(request)
      })
    } else if (this.#fallBack === undefined) {
      spoken.socket.destroy()
      this.#failed(connection, noAlpn(this.#target))
    } else {
      // First of all, as they would be sent once there is no connection any more.
      const behind = [...this.#queued()]
      this.#fallBack(spoken.socket, [...connection.abandon(), ...behind])
    }
  }

  #destroy(connection: Http2Connection, error: Error): void {
    connection.destroy(error)
    this.#connecting.get(connection)?.(error)
    this.#connecting.delete(connection)
  }

  /** Takes all out of the queue. */
  *#queued(): Iterable<TransportRequest> {
    for (let request = this.#waiting.first; request !== undefined; request = this.#waiting.first) {
      this.#waiting.remove(request)
      yield request
    }
  }

  #failed(connection: Http2Connection, error: Error): void {
    if (!this.#connections.includes(connection)) return
    const assigned = connection.abandon()
    for (const request of assigned) {
      request.carrier = connection
      request.onError(error)
    }
    this.#advance()
  }

  /**
   * One at a time: a request that fails as it begins makes room for the next one.
   *
   * @param first What is to be done before; none of those that wait passes it.
   */
  #advance(first?: () => void): void {
    if (this.#advancing) {
      first?.()
      return
    }
    this.#advancing = true
    try {
      first?.()
      this.#sendWaiting()
    } finally {
      this.#advancing = false
    }
    if (this.#waiting.size === 0 && this.#connections.every(({ active }) => active === 0)) this.#settled?.()
  }

  /** The one that has waited longest is next. */
  #sendWaiting(): void {
    const waiting = this.#waiting
    for (let request = waiting.first; request !== undefined; request = waiting.first) {
      const connection = this.#withRoom()
      if (connection === undefined) return
      const next = request
      waiting.remove(next)
      next.onTurn?.()
      inContext(next, () => connection.carry(next))
    }
  }
}

/** As it was before it was sent. */
function makeUnsent(request: TransportRequest): void {
  request.carrier = undefined
  request.written = false
  request.unprocessed = false
}

/** Does it want the connection for itself? */
export function switchesProtocols({ method, upgrade }: Dispatcher.DispatchOptions): boolean {
  return Boolean(upgrade) || method === 'CONNECT'
}

function noAlpn({ host }: buildConnector.Options): Error {
  return new errors.SocketError(
    `${String(host)} does not offer HTTP/2 over TLS (ALPN h2): use connections.protocol 'auto' or 'http1'`,
  )
}
