import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '@fairlead/sdk'
import { Rounds } from './rounds.js'

/** What `Keep-Alive: timeout=4` tells a client that heeds it, as undici and Node's own agent do. */
export const ANNOUNCED_IDLE_MS = 4000

/**
 * Longer than most of those who take no notice of it keep a connection, such as Go's client with 90 s: they close first.
 * And longer than node:http takes to answer half a head with 408: its `headersTimeout` of 60 s, looked at every 30 s.
 */
const KEPT_IDLE_MS = 100_000

/** Of our looks at all connections: an idle one is kept that much longer or shorter. */
const LOOK_MS = 1000

/** What is asked of a connection at each look. */
export interface Resting {
  /** Nothing is owed on it. */
  readonly idle: boolean
}

interface Seen {
  readonly connection: Resting
  /** Bytes that had come by the last look, and since when nothing has happened; the clock's milliseconds. */
  read: number
  since: number
}

/**
 * Ends idle connections, later than is announced to their applications. What is announced is how long a drain has to leave
 * them alone, until no application takes one for good any more; what is kept is for those that go by a time of their own,
 * so that no request of theirs meets a connection that is just being closed.
 *
 * In place of node:http's `keepAliveTimeout`, which sets a timer and clears one for each request.
 */
export class IdleConnections {
  readonly #clock: Clock
  readonly #rounds: Rounds<Seen>

  constructor(clock: Clock) {
    this.#clock = clock
    this.#rounds = new Rounds(LOOK_MS, clock, (socket, seen) => {
      const now = clock.now()
      if (!seen.connection.idle || socket.bytesRead !== seen.read) {
        seen.read = socket.bytesRead
        seen.since = now
      } else if (now - seen.since >= KEPT_IDLE_MS) {
        socket.destroy()
      }
    })
  }

  watch(socket: Socket, connection: Resting): void {
    if (!socket.destroyed) {
      this.#rounds.watch(socket, { connection, read: 0, since: this.#clock.now() })
    }
  }
}

/**
 * Lets the head of a response announce it, if it says `keep-alive`: node:http writes what the server's `keepAliveTimeout`
 * was when the request came. Not in the typings, and in every version: `_storeHeader` of lib/_http_outgoing.js.
 */
export function announceIdle(response: ServerResponse & { _keepAliveTimeout?: number }): void {
  response._keepAliveTimeout = ANNOUNCED_IDLE_MS
}
