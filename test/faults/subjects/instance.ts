import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { BehaviourName } from '../behaviours.js'
import { monotonicMs } from '../monotonic.js'
import { Counter, type Counts } from '../counts.js'
import { makers, type Behaviour, type Host } from './behaviour.js'
import { Connection } from './connection.js'

/** A server of HTTP/1.1 over bare sockets, so that it can do all that a real one should not. */
export class Instance implements Host {
  readonly connections: Set<Connection> = new Set<Connection>()
  readonly #port: number
  readonly #seen = new Counter()
  #server: Server | undefined
  #behaviour: Behaviour = makers.serve(this)

  constructor(port: number) {
    this.#port = port
  }

  async listen(): Promise<void> {
    for (;;) {
      const server = createServer({ noDelay: true }, (socket) => {
        const onRequest = (from: Connection): void => {
          this.#seen.count(monotonicMs())
          this.#behaviour.answer(from)
        }
        const connection = new Connection(socket, onRequest, () => this.connections.delete(connection))
        this.connections.add(connection)
        this.#behaviour.connected?.(connection)
      })
      server.listen(this.#port, '127.0.0.1', 1024)
      try {
        await once(server, 'listening')
        this.#server = server
        return
      } catch (error) {
        // That of the process before it, which was killed, may not be free yet.
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
        await delay(10)
      }
    }
  }

  /** Closes the port and all connections. */
  stopListening(): void {
    this.#server?.close()
    this.#server = undefined
    for (const connection of this.connections) connection.close()
  }

  async behave(name: BehaviourName): Promise<void> {
    await this.#behaviour.end?.()
    this.#behaviour = makers[name](this)
    this.#behaviour.begin?.()
  }

  /** Requests that it has read. */
  get seen(): Counts {
    return this.#seen.counts
  }
}
