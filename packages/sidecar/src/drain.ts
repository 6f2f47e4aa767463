import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Logger, Timer } from '@fairlead/sdk'
import type { Clients } from './clients.js'

/** The open connections of a server: asked for before it listens. */
export function connectionsOf(server: Server): ReadonlySet<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  return connections
}

// Long enough for what has just arrived to be read, short against any drain.
const SWEEP_MS = 100

/**
 * Ends the proxy without losing a request: no new connections, idle ones closed, those in flight finish.
 * After `timeoutMs` milliseconds what is left is broken off. Resolves to whether all finished.
 */
export async function drain(
  proxy: Server,
  connections: ReadonlySet<Socket>,
  clients: Clients,
  timeoutMs: number,
  logger: Logger,
  clock: Clock,
): Promise<boolean> {
  let sweeping: Timer | undefined
  // `close` ends what is idle once, at first: a response whose head said keep-alive leaves an idle connection
  // behind, and a connection on which nothing was ever sent does not pass for idle.
  const sweep = (): void => {
    proxy.closeIdleConnections()
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy()
    sweeping = clock.setTimer(sweep, SWEEP_MS)
  }
  sweeping = clock.setTimer(sweep, SWEEP_MS)
  const finished = await new Promise<boolean>((resolve) => {
    const timer = clock.setTimer(() => resolve(false), timeoutMs)
    proxy.close(() => {
      clock.clearTimer(timer)
      resolve(true)
    })
  })
  clock.clearTimer(sweeping)
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
