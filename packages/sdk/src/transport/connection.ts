import type { Socket } from 'node:net'
import { Client, type buildConnector, type Dispatcher } from 'undici'
import { toDispatchHandler, type Handler } from './handler.js'
import { readBeforeWriteError } from './late-write-error.js'

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
  #socket: Socket | undefined
  /** Has it had a request that is not over with its head? */
  #uploads = false

  /**
   * @param onRest It has rested.
   * @param onClose The endpoint has closed it, or its keep-alive time is over.
   */
  constructor(
    origin: string,
    options: Client.Options,
    connect: buildConnector.connector,
    onRest: () => void,
    onClose: (connection: Connection) => void,
  ) {
    this.client = new Client(origin, {
      ...options,
      connect: (target, callback) => {
        connect(target, (...result) => {
          // First, as undici writes the request that it has connected for at once.
          if (result[0] === null) this.#connected(result[1])
          callback(...result)
        })
      },
    })
    // undici announces it a turn after a response that no request has followed: the same event by which its Pool takes
    // the client back.
    this.client.on('drain', () => {
      this.rested = true
      onRest()
    })
    this.client.on('disconnect', () => onClose(this))
  }

  send(options: Dispatcher.DispatchOptions, handler: Handler): void {
    if (!this.#uploads && writesOn(options)) this.#expectUploads()
    this.client.dispatch(options, toDispatchHandler(handler))
  }

  #connected(socket: Socket): void {
    this.#socket = socket
    if (this.#uploads) readBeforeWriteError(socket)
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

  /** Is there a socket behind it? Without one it is an empty shell, and a new one as good. */
  get connected(): boolean {
    return this.client.stats.connected
  }
}

/** Is something written behind the head, when a response may be on its way? */
function writesOn({ body, upgrade, method }: Dispatcher.DispatchOptions): boolean {
  return (body !== undefined && body !== null) || Boolean(upgrade) || method === 'CONNECT'
}
