import type { Socket } from 'node:net'
import type { Clock } from '@fairlead/sdk'
import { Rounds } from './rounds.js'

/** Of TCP's probes, and of our looks at what came of them. */
const PROBE_MS = 1000

/** What is asked of a connection at each look. */
export interface Owing {
  /** An answer is owed on it, and nothing is read from it until that is given. */
  readonly unread: boolean
}

/**
 * Finds out that an application has gone where that cannot be read: behind its FIN, while requests wait for those before
 * them, while an instance does not take an upload. Who does not read is not polled by libuv, and hears of no reset.
 *
 * `shutdown` and `close` look alike from here: a FIN. What tells them apart is what the other system answers to a probe. A
 * connection that was closed it forgets after a while (Linux: `tcp_fin_timeout`, 60 s), and then it answers by a reset; to
 * a byte of a response it does so at once. Probes are TCP's keep-alive. What they bring about shows in a write, also in one
 * of nothing, which is refused then and takes the usual way of a connection that fails.
 */
export class Departures {
  readonly #rounds: Rounds<Owing>

  constructor(clock: Clock) {
    this.#rounds = new Rounds(PROBE_MS, clock, (socket, { unread }) => {
      if (unread) probe(socket)
    })
  }

  watch(socket: Socket, connection: Owing): void {
    if (!socket.destroyed) this.#rounds.watch(socket, connection)
  }
}

function probe(socket: Socket): void {
  // A system call the first time.
  socket.setKeepAlive(true, PROBE_MS)
  // What waits to be written is polled for.
  if (socket.writable && socket.writableLength === 0) socket.write('')
}
