import type { Socket } from 'node:net'
import { Client, type buildConnector, type Dispatcher } from 'undici'
import { toDispatchHandler, type Handler } from './handler.js'
import { readBeforeWriteError } from './late-write-error.js'

/** For how long a connection is used. */
export interface Lifetime {
  /** Responses that one may carry; `Infinity`: any number. */
  readonly maxRequests: number
  /** Calls back once a connection that is established now is too old; returns how to forget about it. */
  whenOld(callback: () => void): () => void
}

/** What the stack hears of a connection. */
export interface ConnectionListener {
  /** It has rested. */
  onRest(): void
  /** The endpoint has closed it, or its keep-alive time is over. */
  onClose(connection: Connection): void
  /** It has become too old. */
  onOld(connection: Connection): void
}

/**
 * One connection to an endpoint: an undici Client that carries one request at a time, and connects anew for the next
 * one where the endpoint has closed it.
 */
export class Connection {
  readonly client: Client
  /** Has it carried a response? */
  used = false
  /**
   * Has the event loop polled since its last response? A server that closes after answering has been noticed by then;
   * before, a request may be written to a connection whose end is on its way (RFC 9112, 9.5).
   */
  rested = true
  /** Does its request say that the connection is not to be kept? */
  asksToClose = false
  #socket: Socket | undefined
  /** Has it had a request that is not over with its head? */
  #uploads = false
  readonly #lifetime: Lifetime
  readonly #listener: ConnectionListener
  /** Requests that were written to its socket. */
  #requests = 0
  #old = false
  #forgetAge: (() => void) | undefined

  constructor(
    origin: string,
    options: Client.Options,
    connect: buildConnector.connector,
    lifetime: Lifetime,
    listener: ConnectionListener,
  ) {
    this.#lifetime = lifetime
    this.#listener = listener
    this.client = new Client(origin, {
      ...options,
      connect: (target, callback) => {
        connect(target, (...result) => {
          // First, as undici writes the request that it has connected for at once.
          if (result[0] === null && !this.client.destroyed) this.#connected(result[1])
          callback(...result)
        })
      },
    })
    // undici announces it a turn after a response that no request has followed: the same event by which its Pool takes
    // the client back.
    this.client.on('drain', () => {
      this.rested = true
      listener.onRest()
    })
    this.client.on('disconnect', () => {
      this.#forgetAge?.()
      listener.onClose(this)
    })
  }

  send(options: Dispatcher.DispatchOptions, handler: Handler): void {
    if (!this.#uploads && writesOn(options)) this.#expectUploads()
    this.#requests++
    // RFC 9112, 9.6: who will not send another request says so, and the server closes then, too.
    const last = this.#requests >= this.#lifetime.maxRequests
    this.asksToClose = last || closesByItself(options)
    this.client.dispatch(last ? { ...options, reset: true } : options, toDispatchHandler(handler))
  }

  #connected(socket: Socket): void {
    this.#socket = socket
    if (this.#uploads) readBeforeWriteError(socket)
    this.#old = false
    // The request that it is connected for is written now.
    this.#requests = 1
    this.#forgetAge = this.#lifetime.whenOld(() => {
      this.#old = true
      this.#listener.onOld(this)
    })
  }

  /** Most connections never carry more than heads, and pay nothing for it. */
  #expectUploads(): void {
    this.#uploads = true
    if (this.#socket !== undefined) readBeforeWriteError(this.#socket)
  }

  /** Its response is whole, and the next request may follow. */
  becomeFree(): void {
    this.used = true
    this.rested = false
  }

  /** Is it not to carry another request: is it too old, or has it carried as many as it may? */
  get spent(): boolean {
    return this.#old || this.#requests >= this.#lifetime.maxRequests
  }

  /** Is there a socket behind it? Without one it is an empty shell, and a new one as good. */
  get connected(): boolean {
    return this.client.stats.connected
  }
}

/** Is something written behind the head, when a response may be on its way? */
function writesOn({ body, upgrade, method }: Dispatcher.DispatchOptions): boolean {
  return (body !== undefined && body !== null) || Boolean(upgrade) || method === 'CONNECT'
}

/** What undici says `Connection: close` with. */
function closesByItself({ method, upgrade, reset }: Dispatcher.DispatchOptions): boolean {
  return method === 'HEAD' || method === 'CONNECT' || Boolean(upgrade) || reset === true
}
