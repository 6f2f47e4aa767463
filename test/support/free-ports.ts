import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/**
 * Ports that are free now on every one of `hosts`, all different. Nothing reserves them once this returns, so a
 * caller that binds them must be ready to come back for others.
 */
export async function freePorts(count: number, hosts: readonly string[] = ['127.0.0.1']): Promise<number[]> {
  const held: Server[] = []
  try {
    const ports: number[] = []
    // All are kept until the last is found: a port let go at once may be handed out a second time.
    while (ports.length < count) {
      const port = await hold(hosts, held)
      if (port !== undefined) ports.push(port)
    }
    return ports
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}

/** A port that the kernel picks on the first host; undefined if it is taken on another. */
async function hold(hosts: readonly string[], held: Server[]): Promise<number | undefined> {
  let port = 0
  for (const host of hosts) {
    const server = createServer()
    try {
      await once(server.listen(port, host), 'listening')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
      // Linux has all of 127.0.0.0/8, others only what they are told of.
      throw new Error(`cannot listen on ${host}: give the loopback interface that address`, { cause: error })
    }
    held.push(server)
    port = portOf(server)
  }
  return port
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP port')
  return address.port
}
