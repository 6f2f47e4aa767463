import { once } from 'node:events'
import { createServer } from 'node:net'

// Below 32768, from where on Linux takes the ports of outgoing connections. A service that was killed has to come
// back on its port, and meanwhile clients try that port many times a second: from there, one of their own
// connections could get it.
const FIRST = 20_000
const LAST = 32_000

/** Ports of 127.0.0.1 that are free now, all different, in ascending order. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  // From a random place on, so that two demos at once do not look at the same ports.
  const start = FIRST + Math.floor(Math.random() * (LAST - FIRST))
  for (let port = start; ports.length < count; port++) {
    if (port > 32_767) throw new Error(`no ${count} free ports from ${start} to 32767`)
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return true
  } catch {
    return false
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}
