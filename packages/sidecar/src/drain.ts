import type { Server } from 'node:http'
import type { Clock, Logger } from '@fairlead/sdk'
import type { Clients } from './clients.js'

/**
 * Ends the proxy without losing a request: no new connections, idle ones closed, those in flight finish.
 * After `timeoutMs` milliseconds what is left is broken off. Resolves to whether all finished.
 */
export async function drain(
  proxy: Server,
  clients: Clients,
  timeoutMs: number,
  logger: Logger,
  clock: Clock,
): Promise<boolean> {
  // A connection kept alive would otherwise bring new requests for ever: each answer from now on closes its own.
  proxy.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false
  })
  const finished = await new Promise<boolean>((resolve) => {
    const timer = clock.setTimer(() => resolve(false), timeoutMs)
    proxy.close(() => {
      clock.clearTimer(timer)
      resolve(true)
    })
    proxy.closeIdleConnections()
  })
  if (finished) {
    await clients.close()
    logger.info({}, 'drained: every request in flight has finished')
    return true
  }
  logger.warn({ timeoutMs }, 'not drained in time (--drain-timeout): breaking off what is left')
  proxy.closeAllConnections()
  await clients.destroy()
  return false
}
