import { createClient } from '../../../client.js'
import { expect } from 'vitest'
import { discoveryChain, healthEntry, hold, type FakeConsul } from '../../../testing/index.js'
import { until } from '../../../test-support/until.test.support.js'
import { one, two } from './data.test.support.js'
import type { Rule } from './rule.test.support.js'

const serveThree = (agent: FakeConsul): void => {
  agent.serve('orders', one)
  agent.serve('payments', [healthEntry(2)])
  agent.serve('users', [healthEntry(3)])
}
const asked = ({ requests }: FakeConsul, path: RegExp): number =>
  requests.filter((request) => path.test(request.path)).length

/** Rule 13: how much a client takes of an agent. */
export const limits: readonly Rule[] = [
  {
    rule: '13',
    name: 'above maxWatches a watch is refused and says what to raise, until there is a place',
    consul: { maxWatches: 2 },
    prepare: serveThree,
    sees: [
      'set of 1',
      async (world, orders) => {
        const payments = world.follow('payments')
        expect(await payments.next()).toBe('set of 2')
        const users = world.follow('users')
        const rejection =
          'stale: users would be watch 3 of AGENT in this process, and consul.maxWatches is 2: raise it, and ' +
          'limits.http_max_conns_per_client of the agent with it (200 unless set)'
        expect(await users.next()).toBe(rejection)
        expect(await users.next()).toBe(rejection)
        orders.end()
        expect(await users.next()).toBe('set of 3')
      },
    ],
  },
  {
    rule: '13',
    name: 'a watch that runs never loses its place to one that begins',
    consul: { maxWatches: 1 },
    prepare: serveThree,
    sees: [
      'set of 1',
      async (world, orders) => {
        const users = world.follow('users')
        expect(await users.next()).toMatch(/would be watch 2/)
        await orders.silentFor(300_000)
        expect(world.agent.queries.every(({ service }) => service === 'orders')).toBe(true)
        world.agent.serve('orders', two)
        expect(await orders.next()).toBe('set of 1 2')
      },
    ],
  },
  {
    rule: '13',
    name: 'a watch is one connection, and one more serves the service-resolvers of all',
    consul: { serverPolicy: true },
    prepare: serveThree,
    sees: [
      'set of 1',
      async (world) => {
        const payments = world.follow('payments')
        const users = world.follow('users')
        expect([await payments.next(), await users.next()]).toEqual(['set of 2', 'set of 3'])
        await world.pass(() => world.agent.held === 4)
        // One that answered at once, and one that waits.
        expect(asked(world.agent, /config/)).toBe(2)
        expect(asked(world.agent, /discovery-chain/)).toBe(0)
        // The connection of the first query for the list is free, and goes when it has been idle for 4 s.
        expect(world.agent.connections).toBeLessThanOrEqual(5)
      },
    ],
  },
  {
    rule: '13',
    name: 'the list is watched while someone follows it, and what it said is forgotten then',
    consul: { serverPolicy: true },
    prepare: (agent) => {
      agent.serve('orders', one)
      agent.serve('else', two)
    },
    sees: [
      'set of 1',
      async (world, orders) => {
        const payments = world.follow('payments')
        await payments.next()
        orders.end()
        await world.pass(() => world.agent.held === 2)
        payments.end()
        await world.isQuiet()
        world.agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } }))
        expect(await world.follow('orders').next()).toMatch(/^set of 1 2; policy/)
      },
    ],
  },
  {
    rule: '13',
    name: 'a caller that no longer listens ends the watch, without a signal',
    consul: { serverPolicy: true },
    prepare: serveThree,
    sees: [
      'set of 1',
      async (world, orders) => {
        await world.pass(() => world.agent.held === 2)
        await orders.leave()
        await world.isQuiet()
      },
    ],
  },
  ...(['silence', 'self', 'chain', 'list', 'script'] as const).map((held): Rule => ({
    rule: '13, node-consul: end() aborts the socket',
    name: `a watch that ends before its first set: ${held}`,
    consul: { serverPolicy: held !== 'script', ...(held === 'self' ? { datacenter: 'dc1' } : {}) },
    prepare: (agent) => {
      agent.configure('orders', discoveryChain('orders', {}))
      if (held === 'silence') agent.silence()
      if (held === 'self') agent.on('GET /v1/agent/self', hold())
      if (held === 'chain') agent.on('POST /v1/discovery-chain/orders', hold())
      if (held === 'list') agent.on('GET /v1/config/service-resolver', hold())
      if (held === 'script') agent.script(hold())
    },
    sees: [
      async (world, orders) => {
        const next = orders.nextNow()
        await until(() => world.agent.held === (held === 'chain' ? 2 : 1))
        orders.end()
        expect(await next).toBe('end')
        await world.isQuiet()
      },
    ],
  })),
  {
    rule: '13',
    name: 'a watch that has ended before it began asks nothing',
    consul: { serverPolicy: true },
    sees: [
      async (world, orders) => {
        orders.end()
        expect(await orders.nextNow()).toBe('end')
        await world.isQuiet()
        expect(world.agent.requests).toEqual([])
      },
    ],
  },
  {
    rule: '13',
    name: 'one that ends while all ask for the datacenter does not mislead the others',
    consul: { datacenter: 'dc1' },
    prepare: (agent) => {
      const service = { Address: '10.0.0.1', TaggedAddresses: { wan: { Address: '198.51.100.1' } } }
      agent.serve('payments', [healthEntry(2, { service })])
      agent.silence()
    },
    sees: [
      async (world, orders) => {
        const payments = world.follow('payments')
        const both = [orders.nextNow(), payments.nextNow()] as const
        await until(() => world.agent.held === 2)
        orders.end()
        expect(await both[0]).toBe('end')
        world.agent.speak()
        expect(await both[1]).toBe('set of 2')
      },
    ],
  },
  {
    rule: '5, node-consul: exception in a change listener',
    name: 'loses nothing: each set arrives, with those who throw as well',
    prepare: (agent) => agent.serve('orders', one),
    sees: [
      'set of 1',
      async ({ agent }) => {
        const errors: string[] = []
        const logger = {
          info: () => undefined,
          warn: () => undefined,
          error: (_: object, text: string) => errors.push(text),
        }
        await using client = createClient('orders', { consul: { address: agent.address }, logger })
        const heard: number[][] = [[], []]
        client.onDiscovery(({ instances }) => {
          heard[0]?.push(instances.length)
          throw new Error('not today')
        })
        client.onDiscovery(({ instances }) => heard[1]?.push(instances.length))
        await client.ready()
        for (const entries of [two, one, []]) {
          const before = heard[1]?.length ?? 0
          await until(() => agent.queries.some(({ index }) => index === String(agent.index)))
          agent.serve('orders', entries)
          await until(() => (heard[1]?.length ?? 0) > before)
        }
        expect(heard).toEqual([
          [1, 2, 1, 0],
          [1, 2, 1, 0],
        ])
        expect(errors).toEqual(
          Array(4).fill('a listener of onDiscovery threw; the others are called all the same'),
        )
        expect(client.inspect().endpoints).toHaveLength(0)
      },
    ],
  },
]
