import type { Socket } from 'node:net'
import type { Clock, Timer } from '@fairlead/sdk'

// nginx's lingering_timeout and lingering_time.
const SILENT_MS = 5000
const LINGERING_MS = 30_000

/**
 * Ends a connection so that what has been written arrives: this side is closed, and what the other side still sends is
 * read and dropped until it closes too, for a while. Closed with bytes unread, or with more to come, TCP resets the
 * connection, and a reset makes the other side drop what it has not read yet. RFC 9112, 9.6.
 */
export function closeGently(socket: Socket, clock: Clock): void {
  if (socket.destroyed) return
  socket.end()
  // What else comes is nobody's: not to be parsed either.
  socket.removeAllListeners('data')
  socket.on('data', () => undefined)
  socket.resume()
  readAgain(socket)
  const began = clock.now()
  let { bytesRead } = socket
  let timer: Timer
  const look = (): void => {
    if (socket.bytesRead === bytesRead || clock.now() - began >= LINGERING_MS) {
      socket.destroy()
      return
    }
    bytesRead = socket.bytesRead
    timer = clock.setTimer(look, SILENT_MS)
  }
  timer = clock.setTimer(look, SILENT_MS)
  socket.once('close', () => clock.clearTimer(timer))
}

/**
 * node:http reads past the stream, and stops and starts the handle itself. Once it has let go, a stream that was paused
 * then takes itself for reading and starts nothing, so that neither bytes nor the end would come.
 */
function readAgain(socket: Socket): void {
  const { _handle: handle } = socket as Socket & { readonly _handle?: Handle | null }
  if (handle?.reading !== false) return
  handle.reading = true
  handle.readStart()
}

/** Of lib/net.js, the same in Node 20, 22 and 24. */
interface Handle {
  reading: boolean
  readStart(): void
}
