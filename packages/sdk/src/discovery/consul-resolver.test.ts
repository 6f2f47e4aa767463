import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../clock.js'
import { parseOptions } from '../options.js'
import {
  answer,
  breakOff,
  FakeConsul,
  hangUp,
  healthEntry,
  ManualClock,
  pourForEver,
  refuse,
  seededRandom,
  trickle,
  type FakeConsulStep,
} from '../testing/index.js'
import { until } from '../testing/until.test.support.js'
import { ConsulResolver } from './consul-resolver.js'
import type { ResolverEvent } from './resolver.js'

const one = [healthEntry(1)]
const two = [healthEntry(1), healthEntry(2)]

let stop: AbortController
let agent: FakeConsul

beforeEach(() => {
  stop = new AbortController()
})

afterEach(async () => {
  stop.abort()
  await agent.close()
})

/** Follows `orders` on an agent with this script, and gives the events one by one as short text. */
async function follow(
  ...script: readonly FakeConsulStep[]
): Promise<{ next: () => Promise<string>; clock: ManualClock }> {
  agent = await FakeConsul.start(...script)
  const clock = new ManualClock()
  const { consul } = parseOptions('orders', { consul: { address: agent.address, token: 'secret' } }, {})
  const resolver = new ConsulResolver(consul, clock, seededRandom(1))
  const events = resolver.watch('orders', stop.signal)
  // The one query for service-resolvers, which is held all the time.
  const holding = 1
  return {
    clock,
    async next() {
      const pending = events.next()
      // Waits of the resolver pass at once; those for an answer take the time that the agent takes.
      const pump = setInterval(() => void (agent.pending <= holding && clock.advance(1000)), 1)
      const { value } = await pending
      clearInterval(pump)
      return value === undefined ? 'end' : short(value)
    },
  }
}

function short(event: ResolverEvent): string {
  return event.kind === 'stale'
    ? `stale: ${event.cause.message}`
    : `snapshot of ${event.instances.length}+${event.excluded.length}`
}

const indexes = (): (string | undefined)[] => agent.queries.map(({ index }) => index)

describe('the index', () => {
  test('is asked for, then waited on', async () => {
    const { next } = await follow(answer(7, one), answer(9, two))
    expect(await next()).toBe('snapshot of 1+0')
    expect(await next()).toBe('snapshot of 2+0')
    expect(agent.queries).toMatchObject([
      { path: '/v1/health/service/orders', index: undefined, wait: undefined, token: 'secret' },
      { path: '/v1/health/service/orders', index: '7', wait: '60000ms', token: 'secret' },
    ])
  })

  test('that goes backwards starts from the beginning', async () => {
    const { next } = await follow(answer(7, one), answer(3, one), answer(4, two))
    await next()
    expect(await next()).toBe('snapshot of 2+0')
    expect(indexes()).toEqual([undefined, '7', undefined])
  })

  test('below one counts as one', async () => {
    const { next } = await follow(answer(0, one), answer(5, two))
    await next()
    await next()
    expect(indexes()).toEqual([undefined, '1'])
  })

  test('that is missing is not waited on', async () => {
    const withoutIndex: FakeConsulStep = (_, response) => response.end(JSON.stringify(one))
    const { next } = await follow(withoutIndex, answer(5, two))
    await next()
    await next()
    expect(indexes()).toEqual([undefined, undefined])
  })
})

test('equal answers under new indexes cause no event', async () => {
  const { next } = await follow(answer(1, two), answer(2, two.toReversed()), answer(3, two), answer(4, one))
  expect(await next()).toBe('snapshot of 2+0')
  expect(await next()).toBe('snapshot of 1+0')
})

test('no instance is a fact', async () => {
  const { next } = await follow(answer(1, []), answer(2, one))
  expect(await next()).toBe('snapshot of 0+0')
  expect(await next()).toBe('snapshot of 1+0')
})

describe('an answer older than what is known', () => {
  test('that is not repeated is not believed: a server that has not read its log yet', async () => {
    const { next } = await follow(answer(17, two), refuse(500, 'no leader'), answer(1, []), answer(17, two))
    expect(await next()).toBe('snapshot of 2+0')
    expect(await next()).toMatch(/^stale/)
    expect(await next()).toBe('snapshot of 2+0')
    expect(indexes()).toEqual([undefined, '17', undefined, undefined])
  })

  test('that is repeated a second later is: the data is gone', async () => {
    const { next, clock } = await follow(answer(17, two), answer(1, []), answer(1, []), answer(3, one))
    expect(await next()).toBe('snapshot of 2+0')
    const before = clock.now()
    expect(await next()).toBe('snapshot of 0+0')
    expect(clock.now() - before).toBeGreaterThanOrEqual(1000)
    expect(await next()).toBe('snapshot of 1+0')
  })
})

describe('after an error', () => {
  test('the next query does not block, and an equal answer is told, as it ends the outage', async () => {
    const { next } = await follow(answer(7, one), refuse(500, 'No cluster leader'), answer(7, one))
    await next()
    expect(await next()).toMatch(/^stale: Consul at .* answered 500 \(No cluster leader\): the agent is up/)
    expect(await next()).toBe('snapshot of 1+0')
    expect(indexes()).toEqual([undefined, '7', undefined])
  })

  test.each<[string, FakeConsulStep, RegExp]>([
    ['400', refuse(400, 'bad'), /answered 400 \(bad\)/],
    ['403', refuse(403, 'ACL not found'), /answered 403 \(ACL not found\): the token .* needs service:read/],
    ['404', refuse(404, ''), /answered 404$/],
    ['429', refuse(429, 'limit'), /answered 429 .*http_max_conns_per_client/],
    ['death in mid-answer', breakOff(), /broke off its answer/],
    ['a connection closed at once', hangUp(), /could not be reached/],
    [
      'no JSON',
      refuse(200, '<html>hello</html>'),
      /got <html>hello<\/html>\): is this address a Consul agent's\?/,
    ],
    ['JSON that is no list', refuse(200, '{"a":1}'), /expected a JSON list, got {"a":1}/],
    ['a list that breaks off', refuse(200, '[{"Node":{}}'), /the JSON list breaks off/],
  ])('of any kind it goes on: %s', async (_, fault, message) => {
    const { next } = await follow(fault, fault, answer(1, one))
    expect(await next()).toMatch(message)
    expect(await next()).toMatch(message)
    expect(await next()).toBe('snapshot of 1+0')
  })

  test('waits as long as Retry-After says', async () => {
    const { next, clock } = await follow(refuse(429, '', { 'retry-after': '90' }), answer(1, one))
    await next()
    const before = clock.now()
    await next()
    expect(clock.now() - before).toBeGreaterThanOrEqual(90_000)
  })
})

test('an agent that answers at once, for ever, is asked a handful of times a second', async () => {
  const churn = Array.from({ length: 1000 }, (_, index) => answer(index + 1, index % 2 === 0 ? one : two))
  const { next, clock } = await follow(...churn)
  const before = clock.now()
  for (let n = 0; n < 100; n++) await next()
  // 5 at once, then 4 a second: 95 / 4 s.
  expect(clock.now() - before).toBeGreaterThanOrEqual(23_750)
})

test('an endless answer is broken off', async () => {
  const { next } = await follow(pourForEver(), answer(1, one))
  expect(await next()).toMatch(/gave an answer longer than 67108864 bytes/)
  expect(await next()).toBe('snapshot of 1+0')
})

test('an answer that trickles is broken off after 30 s', async () => {
  const { next, clock } = await follow(trickle(), answer(1, one))
  const pending = next()
  await until(() => agent.queries.length === 1)
  const before = clock.now()
  while (agent.queries.length === 1) await clock.advance(1000)
  expect(await pending).toMatch(/has not ended its answer within 30000 ms/)
  expect(clock.now() - before).toBeGreaterThanOrEqual(30_000)
  expect(await next()).toBe('snapshot of 1+0')
})

test('ends when the signal aborts, within a blocking query as well, and lets go of the connection', async () => {
  agent = await FakeConsul.start(answer(1, one))
  const { consul } = parseOptions('orders', { consul: { address: agent.address } }, {})
  const resolver = new ConsulResolver(consul, systemClock, seededRandom(1))
  const events = resolver.watch('orders', stop.signal)
  await events.next()
  const pending = events.next()
  while (agent.queries.length < 2) await new Promise((resolve) => setTimeout(resolve, 1))
  stop.abort()
  expect(await pending).toEqual({ done: true, value: undefined })
  while (agent.connections > 0) await new Promise((resolve) => setTimeout(resolve, 1))
})
