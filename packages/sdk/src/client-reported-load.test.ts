import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { orcaWeightedRoundRobin } from './balance/policies/orca-weighted-round-robin.js'
import { createClient } from './client.js'
import { fixedResolver } from './discovery/fixed-resolver.js'
import { reportLoad } from './orca/load-reporter.js'
import { seededRandom } from './testing/index.js'

interface Backend {
  readonly server: Server
  readonly origin: string
  utilization: number
}

async function backend(): Promise<Backend> {
  const server = createServer((request, response) => {
    request.resume()
    response.setHeader('x-port', String((server.address() as AddressInfo).port)).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const made = {
    server,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    utilization: 0.2,
  }
  reportLoad(server, { utilization: () => made.utilization })
  return made
}

test('from one end to the other: a server that reports more load is sent less', async () => {
  const [a, b] = [await backend(), await backend()]
  const orders = createClient('orders', {
    resolver: fixedResolver([a.origin, b.origin]),
    balancer: orcaWeightedRoundRobin({ blackoutMs: 0, updateMs: 100 }),
    random: seededRandom(1),
  })
  /** The share of the second server, of the next 40 requests. */
  const share = async (): Promise<number> => {
    let ofB = 0
    for (let n = 0; n < 40; n++) {
      const { headers, body } = await orders.request({ path: '/' })
      await body.dump()
      if (b.origin.endsWith(`:${String(headers['x-port'])}`)) ofB++
    }
    return ofB / 40
  }
  const reaches = async (wanted: (share: number) => boolean): Promise<void> => {
    const deadline = performance.now() + 10_000
    let last = await share()
    while (!wanted(last)) {
      if (performance.now() > deadline) throw new Error(`the share is still ${last}`)
      last = await share()
    }
  }
  try {
    let sum = 0
    for (let n = 0; n < 10; n++) sum += await share()
    expect(Math.abs(sum / 10 - 0.5)).toBeLessThan(0.15)
    b.utilization = 0.8
    await reaches((share) => share < 0.3)
    b.utilization = 0.05
    a.utilization = 0.4
    await reaches((share) => share > 0.7)
  } finally {
    await orders.close()
    for (const { server } of [a, b]) server.close()
  }
}, 30_000)
