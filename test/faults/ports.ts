import { once } from 'node:events'
import { createServer } from 'node:net'

// Below where Linux and macOS take the ports of outgoing connections from. One that is taken while its instance is
// down could not be had back, and a connection to a port that is its own ends up at itself (TCP's simultaneous open).
const FIRST = 20_000
const LAST = 32_000

/** Ports of 127.0.0.1 that are free now, and that no outgoing connection takes. */
export async function servicePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  for (let port = FIRST; port <= LAST && ports.length < count; port++)
    if (await isFree(port)) ports.push(port)
  if (ports.length < count) throw new Error(`there are no ${count} free ports from ${FIRST} to ${LAST}`)
  return ports
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    await new Promise((resolve) => server.close(resolve))
    return true
  } catch {
    return false
  }
}
