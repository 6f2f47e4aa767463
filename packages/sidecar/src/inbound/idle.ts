import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** What `Keep-Alive: timeout=4` tells whoever heeds it, as undici and Node's own agent do. */
export const ANNOUNCED_IDLE_MS = 4000

/** nginx's default, and longer than most of those who take no notice of it keep a connection: they close first. */
const KEPT_IDLE_MS = 75_000

/**
 * Keeps idle connections longer than is announced. What is announced is how long a drain has to leave them alone, until
 * no application takes one for good any more; what is kept is for those that go by a time of their own, so that no request
 * of theirs meets a connection that is just being closed.
 *
 * @param server Its `keepAliveTimeout` is `ANNOUNCED_IDLE_MS`, which node:http announces, and closes a connection by unless
 *   `timeout` is listened for.
 */
export function keepIdle(server: Server, keptMs: number = KEPT_IDLE_MS): void {
  /** What had been read from a connection when its announced time passed. */
  const overdue = new WeakMap<Socket, number>()
  server.on('timeout', (socket: Socket) => {
    if (overdue.get(socket) === socket.bytesRead) {
      socket.destroy()
      return
    }
    overdue.set(socket, socket.bytesRead)
    // Ended by node:http with the next request.
    socket.setTimeout(keptMs - server.keepAliveTimeout)
  })
}
