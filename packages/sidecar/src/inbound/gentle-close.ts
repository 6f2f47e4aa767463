import type { Socket } from 'node:net'
import type { Clock, Timer } from '@fairlead/sdk'

// nginx's lingering_timeout and lingering_time.
const SILENT_MS = 5000
const LINGERING_MS = 30_000

/**
 * Closes a connection so that what has been written arrives: closes this side, then reads and drops what the peer still
 * sends until it closes too, within limits. Closed with bytes unread, or with more to come, TCP resets the connection, and
 * a reset makes the peer drop what it has not read yet. RFC 9112, 9.6.
 */
export function closeGently(socket: Socket, clock: Clock): void {
  if (socket.destroyed) return
  socket.end()
  // What still comes is dropped unparsed.
  socket.removeAllListeners('data')
  socket.on('data', () => undefined)
  socket.resume()
  readAgain(socket)
  const began = clock.now()
  let { bytesRead } = socket
  let timer: Timer
  const check = (): void => {
    if (socket.bytesRead === bytesRead || clock.now() - began >= LINGERING_MS) {
      socket.destroy()
      return
    }
    bytesRead = socket.bytesRead
    timer = clock.setTimer(check, SILENT_MS)
  }
  timer = clock.setTimer(check, SILENT_MS)
  socket.once('close', () => clock.clearTimer(timer))
}

/**
 * node:http reads past the stream, and stops and starts the handle itself. When it lets go of a paused stream, the stream
 * considers itself to be reading and starts nothing, so that neither bytes nor the end would come.
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
