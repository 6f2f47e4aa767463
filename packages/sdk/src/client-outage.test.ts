import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Client } from './client-interface.js'
import { createClient } from './client.js'
import { fixedResolver } from './discovery/fixed-resolver.js'
import { ManualClock } from './testing/index.js'

// All four instances of a service fail, and recover one after another.

let clock: ManualClock
let servers: Server[]
let orders: Client
/** Those that are well. */
let well: Set<Server>
/** Requests that all of them have read. */
let seen: number

beforeEach(async () => {
  clock = new ManualClock()
  well = new Set()
  seen = 0
  servers = Array.from({ length: 4 }, () => {
    const server = createServer((_request, response) => {
      seen++
      response.writeHead(well.has(server) ? 200 : 503).end()
    })
    return server
  })
  const origins = servers.map(async (server) => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
  orders = createClient('orders', { resolver: fixedResolver(await Promise.all(origins)), clock, logger })
})

afterEach(async () => {
  await orders.close()
  for (const server of servers) server.close()
})

/** Requests one after another; how many of them were answered 200. */
async function requests(count: number): Promise<number> {
  let ok = 0
  for (let n = 0; n < count; n++) {
    const { statusCode, body } = await orders.request({ path: '/' })
    await body.dump()
    if (statusCode === 200) ok++
  }
  return ok
}

function unavailable(): number {
  return orders.inspect().endpoints.filter(({ availability }) => availability.state !== 'available').length
}

async function outage(): Promise<void> {
  expect(await requests(60)).toBe(0)
  expect([unavailable(), orders.inspect().prioritiesInPanic]).toEqual([4, [0]])
}

test('requests go well as soon as half of them do: no circuit is waited for that a panic has proven wrong', async () => {
  await outage()
  await clock.advance(500)
  for (const server of servers.slice(0, 2)) well.add(server)
  await requests(40)
  expect([unavailable(), orders.inspect().prioritiesInPanic]).toEqual([2, []])
  expect(await requests(50)).toBe(50)
})

test('when half of them are back, the others are probed at once, as they may be, too', async () => {
  await outage()
  await clock.advance(500)
  for (const server of servers) well.add(server)
  await requests(40)
  await clock.advance(0)
  await requests(40)
  expect(unavailable()).toBe(0)
})

test('what the retry budget has saved is not spent on it', async () => {
  for (const server of servers) well.add(server)
  expect(await requests(500)).toBe(500)
  await clock.advance(2000)
  expect(orders.inspect().retryBudget).toBe(200)
  well.clear()
  seen = 0
  await requests(200)
  // A tenth, five that are always allowed, and what went before the circuits were open.
  expect(seen).toBeGreaterThan(200)
  expect(seen).toBeLessThanOrEqual(200 * 1.1 + 5 + 20)
})
