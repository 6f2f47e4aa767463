import type { Socket } from 'node:net'

/** For background work: the socket keeps no process alive that has nothing else to do, whatever is under way on it. */
export function leaveProcessFree(socket: Socket): void {
  socket.unref()
  // Where several addresses are tried, each has a handle of its own.
  socket.once('connect', () => socket.unref())
  // undici references the socket of each request that it writes (`resumeH1` in undici/lib/dispatcher/client-h1.js).
  socket.ref = () => socket
}
