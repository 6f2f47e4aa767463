import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { Server as NetServer, type Socket } from 'node:net'
import type { Clock, Timer } from '../clock.js'
import { LinkedList, type Linked } from '../collections/linked-list.js'
import { QueuedResponses } from '../runtime/queued-responses.js'

/** A server of `node:http` or `node:https`. */
export type AnyHttpServer = HttpServer | HttpsServer

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as Node has it: what it takes depends on the event
type Listener = (...args: any[]) => void

/** A response that has not come to its end. */
class Owed implements Linked<Owed> {
  before: Owed | undefined
  after: Owed | undefined
  readonly response: ServerResponse

  constructor(response: ServerResponse) {
    this.response = response
  }
}

interface Connection {
  /** As it was when it was looked at last. */
  bytesRead: number
  /** Since when nothing has happened on it; the clock's milliseconds. */
  idleSince: number
}

// Short against any drain, long against what a look at a thousand connections takes.
const SWEEP_MS = 100

/**
 * What a server has in hand, connections and requests, and how it comes to an end without losing one.
 *
 * `server.close()` is not that end. Since Node 19 it closes idle connections at once, and one of them may have a request
 * on its way that its client had every right to send: it had been sent `keep-alive`. For a POST that is a loss, as it
 * is unknown whether it has been seen. So here the listener is closed and nothing else, and every response from then on says
 * `Connection: close`, with which it is the client that learns, together with its answer, not to send another request
 * (RFC 9112, 9.6). A connection on which nothing comes is let be for as long as its client may still take it for good.
 *
 * Not before the listener is closed: a client that is asked to close comes back on a new connection, and one that the
 * kernel has accepted for us and we have not is reset, with the request on it, when the listener is closed.
 */
export class ServerTraffic {
  readonly #server: AnyHttpServer
  readonly #clock: Clock
  readonly #connections = new Map<Socket, Connection>()
  /** Requests that have not been answered to the end. */
  readonly #owed = new LinkedList<Owed>()
  readonly #queued = new QueuedResponses()
  /** Seen before their `request`, which a listener of `checkContinue` emits by hand; undefined: no such requests. */
  #checked: WeakSet<ServerResponse> | undefined
  /** From `end` on: which response comes last on a connection, as far as has been received. */
  readonly #latest = new WeakMap<Socket, ServerResponse>()
  /** Became something else than HTTP, such as WebSockets: their end is for those who use them. */
  readonly #upgraded = new Set<Socket>()
  readonly #listeners: (readonly [event: string, listener: Listener])[] = []
  #leaving = false
  #sweeping: Timer | undefined
  #emptied: (() => void) | undefined

  constructor(server: AnyHttpServer, clock: Clock) {
    this.#server = server
    this.#clock = clock
    this.#on('connection', this.#connected)
    // Before the application's listener, which may answer at once.
    this.#on('request', this.#requested)
    for (const event of ['checkContinue', 'checkExpectation']) this.#alongside(event, this.#expecting)
    for (const event of ['upgrade', 'connect']) this.#alongside(event, this.#changed)
  }

  /** Requests that have not been answered to the end, and connections that are used for something else. */
  get inflight(): number {
    return this.#owed.size + this.#upgraded.size
  }

  /**
   * Takes no new connections; resolves when those that are open have ended: by their clients, with a response that says
   * so, or after `idleMs` milliseconds without a sign. When `signal` aborts, what is left is aborted.
   */
  async end(idleMs: number, signal: AbortSignal): Promise<void> {
    // As little as possible must have come in since we last took in what there was.
    await afterPolling()
    const closed = this.#stopListening()
    this.#leaving = true
    // In the order in which they came.
    for (const { response } of this.#owed) this.#sayClose(response)
    const now = this.#clock.now()
    for (const connection of this.#connections.values()) connection.idleSince = now
    this.#sweepLater(idleMs)
    // Only now, when nothing new can come.
    const abortAll = (): void => this.#abortAll()
    signal.addEventListener('abort', abortAll)
    if (signal.aborted) abortAll()
    await closed
    // A server that did not listen has no word for when its connections are gone.
    if (this.#connections.size > 0) await new Promise<void>((resolve) => (this.#emptied = resolve))
    if (this.#sweeping !== undefined) this.#clock.clearTimer(this.#sweeping)
    signal.removeEventListener('abort', abortAll)
    this.detach()
  }

  /** Leaves the server as it was. */
  detach(): void {
    for (const [event, listener] of this.#listeners) this.#server.off(event, listener)
    this.#listeners.length = 0
  }

  /**
   * The listener's part of `server.close()`, without http's own, which ends idle connections. Resolves when all
   * connections have ended.
   */
  #stopListening(): Promise<void> {
    return new Promise((resolve) => {
      NetServer.prototype.close.call(this.#server, () => resolve())
    })
  }

  readonly #connected = (socket: Socket): void => {
    this.#connections.set(socket, { bytesRead: 0, idleSince: this.#clock.now() })
    socket.once('close', () => {
      this.#connections.delete(socket)
      if (this.#connections.size === 0) this.#emptied?.()
    })
  }

  readonly #expecting = (request: IncomingMessage, response: ServerResponse): void => {
    this.#requested(request, response)
    this.#checked ??= new WeakSet()
    this.#checked.add(response)
  }

  readonly #requested = (_: IncomingMessage, response: ServerResponse): void => {
    if (this.#checked?.has(response) === true) return
    const owed = new Owed(response)
    this.#owed.append(owed)
    const over = (): void => void this.#owed.remove(owed)
    response.on('close', over)
    if (response.socket === null) this.#queued.add(response, over)
    if (this.#leaving) this.#sayClose(response)
  }

  readonly #changed = (_: IncomingMessage, socket: Socket): void => {
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket))
  }

  /** Ends what has been idle for `idleMs`, over and over. */
  #sweepLater(idleMs: number): void {
    this.#sweeping = this.#clock.setTimer(() => {
      void afterPolling().then(() => this.#sweep(idleMs))
    }, SWEEP_MS)
  }

  /** Only after polling: what has arrived has been read then, and shows. */
  #sweep(idleMs: number): void {
    const now = this.#clock.now()
    const busy = this.#busyPeers()
    for (const [socket, connection] of this.#connections) {
      if (busy.has(peerOf(socket)) || socket.bytesRead !== connection.bytesRead) {
        connection.bytesRead = socket.bytesRead
        connection.idleSince = now
      } else if (now - connection.idleSince >= idleMs) {
        socket.destroy()
      }
    }
    if (this.#connections.size > 0) this.#sweepLater(idleMs)
  }

  /**
   * Lets the head of this response say that the connection ends with it; unless another one follows it by then, which
   * would be thrown away, run or not; or the request has not come to its end, as an end with bytes unread is a reset,
   * which may take the response along. Then the next one says so.
   */
  #sayClose(response: ServerResponse): void {
    const latest = this.#latest
    const { req: request } = response
    const { socket } = request
    latest.set(socket, response)
    if (response.headersSent) return
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse
    // The one place that every head goes through, written by hand or by itself.
    response.writeHead = (...args: unknown[]) => {
      const last = latest.get(socket) === response
      if (last && (request.complete || !hasBody(request))) response.shouldKeepAlive = false
      return writeHead(...args)
    }
  }

  #busyPeers(): ReadonlySet<unknown> {
    const busy = new Set<unknown>()
    for (const { response } of this.#owed) if (response.socket !== null) busy.add(peerOf(response.socket))
    for (const socket of this.#upgraded) busy.add(peerOf(socket))
    return busy
  }

  #abortAll(): void {
    for (const socket of this.#connections.keys()) socket.destroy()
    this.#server.closeAllConnections()
  }

  #on(event: string, listener: Listener): void {
    this.#listeners.push([event, listener])
    this.#server.prependListener(event, listener)
  }

  /** Only where there is a listener besides: for these events Node does something else when there is no listener. */
  #alongside(event: string, listener: Listener): void {
    if (this.#server.listenerCount(event) > 0) {
      this.#on(event, listener)
      return
    }
    const first = (added: string): void => {
      if (added !== event) return
      this.#server.off('newListener', first)
      this.#on(event, listener)
    }
    this.#listeners.push(['newListener', first])
    this.#server.on('newListener', first)
  }
}

/** Resolves right after the event loop has taken in what there was: new connections, and bytes on those there are. */
function afterPolling(): Promise<void> {
  // eslint-disable-next-line no-restricted-globals -- a turn of the event loop, not a time
  return new Promise((resolve) => setImmediate(resolve))
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** Under TLS a connection is two sockets, which have their peer in common. A unix socket's peer has no name. */
function peerOf(socket: Socket): unknown {
  return socket.remotePort === undefined ? socket : `${socket.remoteAddress ?? ''} ${socket.remotePort}`
}
