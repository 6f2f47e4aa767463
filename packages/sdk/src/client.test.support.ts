import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net'
import { afterEach } from 'vitest'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Happens after the test, before what was told earlier. */
export function afterwards(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

/** An HTTP server on 127.0.0.1, for this test; returns its origin. */
export async function serve(handler: RequestListener): Promise<string> {
  const server = createServer(handler)
  await listen(server, 0)
  afterwards(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${portOf(server)}`
}

/** A server that takes connections and says nothing, not even in TLS; returns `host:port`. */
export async function takeSilently(): Promise<string> {
  const sockets: Socket[] = []
  const server = createTcpServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
  })
  await listen(server, 0)
  afterwards(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return `127.0.0.1:${portOf(server)}`
}

/** An address of its own that leads to another one while it is open, and refuses connections while it is not. */
export class Door {
  readonly #target: string
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0

  /** @param target `http://host:port`, or whatever accepts connections there. */
  constructor(target: string) {
    this.#target = target
    afterwards(() => this.close())
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async open(): Promise<void> {
    const { hostname, port } = new URL(this.#target)
    const server = createTcpServer((socket) => {
      const onward = connect(Number(port), hostname)
      for (const end of [socket, onward]) {
        this.#sockets.add(end)
        end.on('error', () => undefined)
        end.on('close', () => {
          this.#sockets.delete(end)
          socket.destroy()
          onward.destroy()
        })
      }
      socket.pipe(onward).pipe(socket)
    })
    this.#server = server
    await listen(server, this.#port)
    this.#port = portOf(server)
  }

  async close(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(server, 'close')
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
