import fc from 'fast-check'
import { expect, test } from 'vitest'
import { balancers, type BalancerName } from './balance/balancers.js'
import { afterwards, serve } from './client.test.support.js'
import { createClient } from './client.js'
import type { Client } from './client-interface.js'
import type { Instance } from './discovery/resolver.js'
import type { ClientOptions } from './client-options.js'
import { FakeResolver, instanceAt } from './testing/index.js'
import { until } from './test-support/until.test.support.js'

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** No system hands out the lowest ports, as it would that of a server that has gone. */
const DEAD = 'http://127.0.0.1:1'

/** Registrations of one address under ids of their own. */
function registered(origin: string, ids: readonly string[], more: Partial<Instance> = {}): Instance[] {
  const address = origin.slice('http://'.length)
  return ids.map((id) => instanceAt(origin, { key: `node/${id}@${address}`, ...more }))
}

function client(options: ClientOptions = {}): { orders: Client; resolver: FakeResolver } {
  const resolver = new FakeResolver()
  const orders = createClient('orders', { resolver, logger: quiet, ...options })
  afterwards(() => orders.dispatcher.destroy())
  return { orders, resolver }
}

async function get(orders: Client, headers: Record<string, string> = {}): Promise<number> {
  const { statusCode, body } = await orders.request({ path: '/', headers })
  await body.dump()
  return statusCode
}

test('an address that is dead and a good one: no GET fails, however often either is listed', async () => {
  const good = await serve((_, response) => response.end('ok'))
  const ids = (of: string): fc.Arbitrary<string[]> =>
    fc.integer({ min: 1, max: 5 }).map((count) => Array.from({ length: count }, (_, n) => `${of}-${n}`))
  const names = fc.constantFrom(...(Object.keys(balancers) as BalancerName[]))
  await fc.assert(
    fc.asyncProperty(ids('dead'), ids('good'), names, fc.boolean(), async (dead, alive, balancer, first) => {
      const { orders, resolver } = client({ balancer, hashOn: [{ header: 'x-key' }] })
      const sides = [registered(DEAD, dead), registered(good, alive)]
      resolver.snapshot((first ? sides : sides.reverse()).flat())
      await orders.ready()
      // Past the volume at which the circuit of the dead one opens, and into what would be a panic.
      for (let n = 0; n < 60; n++) expect(await get(orders, { 'x-key': String(n) })).toBe(200)
      expect(orders.inspect()).toMatchObject({ prioritiesInPanic: [] })
      expect(orders.inspect().endpoints).toHaveLength(2)
    }),
    { numRuns: 24 },
  )
})

test('what is listed under several ids is one endpoint, with all of them, and its weight is the largest', async () => {
  const good = await serve((_, response) => response.end('ok'))
  const { orders, resolver } = client()
  const [a, b, c] = registered(good, ['a', 'b', 'c']) as [Instance, Instance, Instance]
  resolver.snapshot([
    { ...c, weight: 2 },
    { ...b, weight: 9 },
    { ...a, tags: ['a'] },
  ])
  await orders.ready()
  expect(await get(orders)).toBe(200)
  const keys = [a, b, c].map(({ key }) => key)
  expect(orders.inspect().endpoints).toMatchObject([
    { key: a.key, registrations: keys, weight: 9, requests: 1 },
  ])
  // One after the other they go, and it is the same endpoint with the same connections.
  resolver.snapshot([b, c])
  await until(() => orders.inspect().endpoints[0]?.key === b.key)
  expect(orders.inspect().endpoints).toMatchObject([{ weight: 1, requests: 1, connections: 1 }])
  resolver.snapshot([c])
  await until(() => orders.inspect().endpoints[0]?.key === c.key)
  expect(orders.inspect().endpoints).toMatchObject([{ registrations: [c.key], requests: 1, connections: 1 }])
})

test('what is critical under other ids does not make its priority look unhealthy', async () => {
  const [first, second] = [
    await serve((_, response) => response.end('first')),
    await serve((_, response) => response.end('second')),
  ]
  const { orders, resolver } = client()
  const address = first.slice('http://'.length)
  const critical = ['x', 'y', 'z'].map((id) => ({
    key: `node/${id}@${address}`,
    reason: 'critical',
    kind: 'unhealthy' as const,
    priority: 0,
  }))
  const [spare] = registered(second, ['b'], { priority: 1 }) as [Instance]
  resolver.snapshot([...registered(first, ['a']), spare], { excluded: critical })
  await orders.ready()
  for (let n = 0; n < 30; n++) expect(await get(orders)).toBe(200)
  // All of the first priority are healthy, so that it carries everything.
  expect(orders.inspect().endpoints.map(({ requests }) => requests)).toEqual([30, 0])
  expect(orders.inspect().excluded).toHaveLength(3)
})

test('a session stays on its address when the id that spoke for it goes', async () => {
  const origins = [
    await serve((_, response) => response.end('0')),
    await serve((_, response) => response.end('1')),
  ]
  const { orders, resolver } = client({ sticky: { header: 'x-session', secret: 's'.repeat(32) } })
  const all = origins.map((origin) => registered(origin, ['a', 'b']))
  resolver.snapshot(all.flat())
  await orders.ready()
  const { headers, body } = await orders.request({ path: '/' })
  const answered = await body.text()
  const session = String(headers['x-session'])
  resolver.snapshot(all.flatMap(([, b]) => (b === undefined ? [] : [b])))
  await until(() => orders.inspect().endpoints.every(({ key }) => key.startsWith('node/b@')))
  for (let n = 0; n < 10; n++) {
    const again = await orders.request({ path: '/', headers: { 'x-session': session } })
    expect(await again.body.text()).toBe(answered)
    expect(again.headers['x-session']).toBeUndefined()
  }
})
