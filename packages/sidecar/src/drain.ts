import type { Server } from 'node:http'
import { gracefulShutdown, type Clock, type GracefulShutdown, type Logger } from '@fairlead/sdk'
import type { Clients } from './clients.js'
import { ANNOUNCED_IDLE_MS } from './inbound/idle.js'

// Those who heed what is announced have left by then, asked by nothing but silence, and a second is to spare: no request of
// theirs meets a closing connection. Who goes by a longer time of its own may, where nothing has told it `close`.
const IDLE_MS = ANNOUNCED_IDLE_MS + 1000

/** How a server ends without losing a request: asked for before it listens, and then once. */
export function drainOf(proxy: Server, timeoutMs: number, logger: Logger, clock: Clock): GracefulShutdown {
  return gracefulShutdown(proxy, {
    // The process ends by `main`, which listens for them.
    signals: [],
    raise: false,
    deadlineMs: Math.max(1, timeoutMs),
    // In a shorter drain than that, what is only idle must not pass for what has not finished.
    idleMs: Math.min(IDLE_MS, Math.floor(timeoutMs / 2)),
    logger: inOurWords(logger),
    clock,
  })
}

/**
 * Ends the proxy: no new connections, idle ones are left to their clients for a while, those in flight finish.
 * At the deadline what is left is broken off. Resolves to whether all finished.
 */
export async function drain(proxy: GracefulShutdown, clients: Clients, logger: Logger): Promise<boolean> {
  const { finished } = await proxy.begin()
  if (finished) {
    await clients.close()
    logger.info({}, 'drained: every request in flight has finished')
    return true
  }
  await clients.destroy()
  return false
}

/** The SDK's one warning here is of its option `deadlineMs`, which is the flag `--drain-timeout`. */
function inOurWords(logger: Logger): Logger {
  return {
    info: (fields, message) => logger.info(fields, message),
    warn: (fields) =>
      logger.warn(fields, 'not drained in time (deadlineMs, of --drain-timeout): breaking off what is left'),
    error: (fields, message) => logger.error(fields, message),
  }
}
