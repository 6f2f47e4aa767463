import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/**
 * Ports of 127.0.0.1 that are free now, all different. Nothing reserves them once this returns, so whoever binds
 * them must be ready to come back for others.
 */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = []
  try {
    // All are held until the last is found: a port let go at once may be handed out a second time.
    for (let found = 0; found < count; found++) {
      const server = createServer()
      held.push(server)
      await once(server.listen(0, '127.0.0.1'), 'listening')
    }
    return held.map(portOf)
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP port')
  return address.port
}
