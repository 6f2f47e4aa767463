import type { Socket } from 'node:net'

/** The interval of TCP's keep-alive probes: that of the checks, so that each sees the result of the one before. */
export const PROBE_MS = 1000

/**
 * Detects that a client has closed a connection that is not read: after its FIN, while requests wait for those before
 * them, or while an instance does not accept an upload. libuv does not poll a connection that is not read, so its reset
 * would not be noticed.
 *
 * `shutdown` and `close` look alike from here: a FIN. The difference is how the other system answers a probe. It forgets a
 * closed connection after a while (Linux: `tcp_fin_timeout`, 60 s) and then answers with a reset; to a byte of a response
 * it does so at once. Probes are TCP's keep-alive. A reset shows in the next write, also an empty one, which then fails
 * and closes the connection in the usual way.
 */
export function probePeer(socket: Socket): void {
  // A system call the first time only.
  socket.setKeepAlive(true, PROBE_MS)
  // A pending write is polled for anyway.
  if (socket.writable && socket.writableLength === 0) socket.write('')
}
