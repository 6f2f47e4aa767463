import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createClient, fixedResolver, type Balancer, type BalancerName, type Client } from './index.js'

/** A server that can be frozen: it takes requests and answers none of them, until it thaws. */
class Freezer {
  readonly methods: string[] = []
  readonly #waiting: ServerResponse[] = []
  #frozen = false
  readonly #server = createServer((request, response) => {
    this.methods.push(request.method ?? '')
    if (this.#frozen || request.url === '/slow') this.#waiting.push(response)
    else response.end('here')
  })

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    onTestFinished(() => {
      this.#server.closeAllConnections()
      this.#server.close()
    })
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  freeze(): void {
    this.#frozen = true
  }

  thaw(): void {
    this.#frozen = false
    for (const response of this.#waiting.splice(0)) response.end('late')
  }
}

async function rig(
  balancer: Balancer | BalancerName = 'round_robin',
): Promise<{ client: Client; frozen: Freezer; origin: string }> {
  const servers = [new Freezer(), new Freezer(), new Freezer()]
  const origins = await Promise.all(servers.map((server) => server.listen()))
  const client = createClient('orders', {
    resolver: fixedResolver(origins),
    balancer,
    timeoutMs: 20_000,
    breaker: false,
  })
  onTestFinished(() => client.close({ timeoutMs: 1000 }))
  await client.ready({ minInstances: 3 })
  const [frozen] = servers
  if (frozen === undefined) throw new Error('there is no server')
  return { client, frozen, origin: origins[0] ?? '' }
}

const stalled = (client: Client): string | undefined =>
  client.inspect().endpoints.find(({ availability }) => availability.reason === 'stalled')?.origin

test('a frozen instance costs no request that may be sent twice, gets nothing new, and is back with its first byte', async () => {
  const { client, frozen, origin } = await rig()
  const ask = async (): Promise<string> => (await client.request({ path: '/' })).body.text()
  for (let n = 0; n < 6; n++) await ask()
  frozen.freeze()
  // Others answer all the while.
  const results: Promise<string>[] = []
  await vi.waitFor(
    async () => {
      results.push(ask())
      await Promise.race([results.at(-1), new Promise((resolve) => setTimeout(resolve, 20))])
      expect(stalled(client)).toBe(origin)
    },
    { timeout: 15_000, interval: 5 },
  )
  expect(await Promise.all(results)).not.toContain('late')
  const before = frozen.methods.filter((method) => method === 'GET').length
  for (let n = 0; n < 9; n++) expect(await ask()).toBe('here')
  expect(frozen.methods.filter((method) => method === 'GET')).toHaveLength(before)
  expect(frozen.methods).toContain('OPTIONS')
  frozen.thaw()
  await vi.waitFor(() => expect(stalled(client)).toBeUndefined(), { timeout: 15_000 })
})

/** What may not be sent twice goes to the first, all else to the others. */
const apart: Balancer = (endpoints) => ({
  pick: ({ idempotent, tried }) =>
    endpoints.find((each, place) => (place === 0) !== idempotent && each.available && !tried.includes(each)),
})

test('an instance that works on slow requests only is asked whether it is there, and is not stalled', async () => {
  const { client, frozen } = await rig(apart)
  const slow = Array.from({ length: 3 }, () => client.request({ path: '/slow', method: 'POST' }))
  const asked = (): number => frozen.methods.filter((method) => method === 'OPTIONS').length
  await vi.waitFor(
    async () => {
      await (await client.request({ path: '/' })).body.dump()
      expect(stalled(client)).toBeUndefined()
      expect(asked()).toBeGreaterThan(1)
    },
    { timeout: 15_000, interval: 5 },
  )
  frozen.thaw()
  for (const { body } of await Promise.all(slow)) expect(await body.text()).toBe('late')
})
