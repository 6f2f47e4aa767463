import type { Socket } from 'node:net'
import type { Clock, Timer } from '@fairlead/sdk'

/** Of TCP's probes, and of our looks at what came of them. */
const PROBE_MS = 1000

/**
 * Watches a connection whose application has closed its sending side and is owed a response. `shutdown` and `close` look
 * alike from here: a FIN. What tells them apart is what the other system answers to a probe. A connection that was closed
 * it forgets after a while (Linux: `tcp_fin_timeout`, 60 s), and then it answers by a reset; to a byte of a response it
 * does so at once.
 *
 * Probes are TCP's keep-alive. What they bring about nobody hears, since the reading side is at its end and libuv polls no
 * more: a write is refused then, also one of nothing, and takes the usual way of a connection that fails.
 */
export function watchHalfClosed(socket: Socket, clock: Clock): void {
  socket.setKeepAlive(true, PROBE_MS)
  const next = (): Timer => clock.setTimer(look, PROBE_MS)
  const look = (): void => {
    if (!socket.writable) return
    // What waits to be written is polled for.
    if (socket.writableLength === 0) socket.write('')
    timer = next()
  }
  let timer = next()
  socket.once('close', () => clock.clearTimer(timer))
}
