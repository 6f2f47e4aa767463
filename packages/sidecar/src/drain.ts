import type { Server } from 'node:http'
import { gracefulShutdown, type Clock, type GracefulShutdown, type Logger } from '@fairlead/sdk'
import type { Clients } from './clients.js'
import { ANNOUNCED_IDLE_MS } from './inbound/idle.js'

// By then clients that honor the announced timeout have closed their idle connections, with a second to spare, so that no
// request of theirs meets a closing connection. A request of a client with a longer timeout of its own may, unless a
// response has said `Connection: close`.
const IDLE_MS = ANNOUNCED_IDLE_MS + 1000

/** Prepares the graceful shutdown of a server; call it before the server listens. */
export function drainOf(proxy: Server, timeoutMs: number, logger: Logger, clock: Clock): GracefulShutdown {
  return gracefulShutdown(proxy, {
    // `main` handles signals, and ends the process.
    signals: [],
    raise: false,
    deadlineMs: Math.max(1, timeoutMs),
    // In a shorter drain, idle connections must not count as unfinished.
    idleMs: Math.min(IDLE_MS, Math.floor(timeoutMs / 2)),
    logger,
    clock,
  })
}

/**
 * Drains the proxy: no new connections, requests in flight finish, idle connections are left to their clients for a while.
 * At the deadline the remaining requests are aborted. Resolves to whether all finished.
 */
export async function drain(proxy: GracefulShutdown, clients: Clients, logger: Logger): Promise<boolean> {
  const { finished } = await proxy.begin()
  if (finished) {
    await clients.close()
    logger.info({}, 'drained: all requests in flight have finished; exiting')
    return true
  }
  await clients.destroy()
  logger.warn({}, 'not drained within --drain-timeout: the requests still in flight were aborted; exiting')
  return false
}
