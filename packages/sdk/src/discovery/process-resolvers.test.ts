import { expect, test } from 'vitest'
import { systemClock } from '../clock.js'
import { parseOptions, type ClientOptions } from '../client-options.js'
import { Events } from '../observe/events.js'
import { FakeConsul, FakeResolver, ManualClock } from '../testing/index.js'
import { processResolver } from './process-resolvers.js'
import type { Resolver, ResolverEvent } from './resolver.js'

const address = 'http://127.0.0.1:1'
const snapshot = { directory: '/nowhere' }

const resolverOf = (options: ClientOptions, clock = systemClock): Resolver =>
  processResolver(parseOptions('orders', options, {}), clock, new Events())

test('clients that ask the same agent for the same, share a resolver', () => {
  const one = resolverOf({ consul: { address } })
  expect(resolverOf({ consul: { address }, timeoutMs: 5, balancer: 'round_robin' })).toBe(one)
  expect(one.name).toBe(`Consul at ${address}`)
  const others = [
    resolverOf({ consul: { address: 'http://127.0.0.1:2' } }),
    resolverOf({ consul: { address, tags: ['v2'] } }),
    resolverOf({ consul: { address, token: 'another' } }),
    resolverOf({ consul: { address }, snapshot }),
    resolverOf({ consul: { address }, snapshot: { directory: '/elsewhere' } }),
  ]
  expect(new Set([one, ...others]).size).toBe(6)
  expect(resolverOf({ consul: { address }, snapshot })).toBe(others[3])
})

test('clients with a resolver of their own share it by identity', () => {
  const [own, other] = [new FakeResolver(), new FakeResolver()]
  const one = resolverOf({ resolver: own })
  expect(resolverOf({ resolver: own, consul: { address } })).toBe(one)
  expect(resolverOf({ resolver: other })).not.toBe(one)
  expect(resolverOf({ resolver: own, snapshot })).not.toBe(one)
  expect(resolverOf({ resolver: own, snapshot })).toBe(resolverOf({ resolver: own, snapshot }))
})

test('a clock of its own makes a resolver of its own', () => {
  const clock = new ManualClock()
  expect(resolverOf({ consul: { address } }, clock)).not.toBe(resolverOf({ consul: { address } }))
  expect(resolverOf({ consul: { address } }, clock)).not.toBe(resolverOf({ consul: { address } }, clock))
})

test('clients of one agent count together, whatever they ask it for', async () => {
  const agent = await FakeConsul.open({})
  const stop = new AbortController()
  const first = async (tags: readonly string[]): Promise<ResolverEvent | undefined> => {
    const consul = { address: agent.address, tags, maxWatches: 1, serverPolicy: false }
    const watch = resolverOf({ consul }).watch('orders', stop.signal)[Symbol.asyncIterator]()
    const next = await watch.next()
    return next.done === true ? undefined : next.value
  }
  expect(await first([])).toMatchObject({ kind: 'snapshot' })
  expect(await first(['v2'])).toMatchObject({
    kind: 'stale',
    cause: { message: expect.stringContaining('orders would be watch 2 of Consul at') as string },
  })
  stop.abort()
  await agent.close()
})
