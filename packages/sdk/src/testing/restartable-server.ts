import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'

export interface RestartableServerOptions {
  /** Speak TLS, as the server that these options of `node:https` make. */
  readonly tls?: ServerOptions
  /** Listen on this unix socket. Default: a free port of 127.0.0.1. */
  readonly socketPath?: string
}

/** An HTTP server that can die, with all its connections, and come back under the same address. */
export class RestartableServer {
  readonly #options: RestartableServerOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #port = 0

  constructor(options: RestartableServerOptions, listener: RequestListener) {
    const { tls } = options
    this.#options = options
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  get address(): string {
    const { socketPath, tls } = this.#options
    if (socketPath !== undefined) return `unix://${socketPath}`
    // A certificate is for a name.
    return tls === undefined ? `http://127.0.0.1:${this.#port}` : `https://localhost:${this.#port}`
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sockets.size
  }

  get listening(): boolean {
    return this.#server.listening
  }

  async start(): Promise<void> {
    const { socketPath } = this.#options
    if (socketPath === undefined) this.#server.listen(this.#port, '127.0.0.1')
    else this.#server.listen(socketPath)
    await once(this.#server, 'listening')
    if (socketPath === undefined) this.#port = (this.#server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }
}
