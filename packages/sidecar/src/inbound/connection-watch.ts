import type { Socket } from 'node:net'
import type { Clock } from '@fairlead/sdk'
import { ConnectionTicker } from './connection-ticker.js'
import { KEPT_IDLE_MS } from './idle.js'
import { PROBE_MS, probePeer } from './peer-probe.js'

/** What each check reads of a connection. */
export interface WatchedConnection {
  /** Requests have come on it, and no response is pending. */
  readonly idle: boolean
  /** A response is pending, and nothing is read from the connection until it is complete. */
  readonly unread: boolean
}

interface Watched {
  readonly connection: WatchedConnection
  /** Bytes received by the last check, and since when nothing has happened, in the clock's milliseconds. */
  bytesRead: number
  idleSince: number
}

/**
 * Checks every connection once a second: probes the peer of one that is not read, and closes one that has been idle for
 * too long, give or take a second. The announced timeout is how long a drain leaves idle connections alone, until no
 * client reuses one; the longer one applied here is for clients with a timeout of their own, so that no request of
 * theirs meets a connection that is being closed.
 *
 * Instead of node:http's `keepAliveTimeout`, which sets and clears a timer for each request.
 */
export class ConnectionWatch {
  readonly #clock: Clock
  readonly #ticker: ConnectionTicker<Watched>

  constructor(clock: Clock) {
    this.#clock = clock
    this.#ticker = new ConnectionTicker(PROBE_MS, clock, (socket, watched) => this.#check(socket, watched))
  }

  add(socket: Socket, connection: WatchedConnection): void {
    if (socket.destroyed) return
    this.#ticker.add(socket, { connection, bytesRead: 0, idleSince: this.#clock.now() })
  }

  #check(socket: Socket, watched: Watched): void {
    const { connection } = watched
    if (connection.unread) probePeer(socket)
    const now = this.#clock.now()
    if (!connection.idle || socket.bytesRead !== watched.bytesRead) {
      watched.bytesRead = socket.bytesRead
      watched.idleSince = now
    } else if (now - watched.idleSince >= KEPT_IDLE_MS) {
      socket.destroy()
    }
  }
}
