import { afterEach, describe, expect, test } from 'vitest'
import { compose } from '../balance/compose.js'
import { locality } from '../balance/layers/locality.js'
import { leastRequest } from '../balance/policies/load.js'
import { powerOfChoices } from '../balance/policies/power-of-choices.js'
import { slowStart } from '../balance/layers/slow-start.js'
import { subset } from '../balance/layers/subset.js'
import { createClient } from '../client.js'
import type { Client } from '../client-interface.js'
import type { ClientOptions } from '../client-options.js'
import { until } from '../test-support/until.test.support.js'
import { FakeResolver, instanceAt, ManualClock, seededRandom } from '../testing/index.js'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const clients: Client[] = []
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
})

const instances = [1, 2, 3, 4, 5, 6, 7, 8].map((port) =>
  instanceAt(`http://10.0.0.1:${port}`, { locality: { zone: port % 2 === 0 ? 'a' : 'b' } }),
)

async function clientOf(
  options: ClientOptions,
  set = instances,
): Promise<[Client, FakeResolver, ManualClock]> {
  const resolver = new FakeResolver()
  const clock = new ManualClock()
  const client = createClient('orders', {
    resolver,
    clock,
    random: seededRandom(1),
    logger: silent,
    ...options,
  })
  clients.push(client)
  resolver.snapshot(set)
  await clock.advance(0)
  return [client, resolver, clock]
}

describe('each policy says how it came to its endpoint', () => {
  test.each([
    ['peak_ewma', 'the less loaded of two, drawn at random by weight', 2, 'peakEwma'],
    ['least_request', 'the less loaded of two, drawn at random by weight', 2, 'leastRequest'],
    [powerOfChoices(leastRequest, 3), 'the least loaded of 3, drawn at random by weight', 3, 'leastRequest'],
    [powerOfChoices(leastRequest, 10), 'the least loaded of all', 8, 'leastRequest'],
    ['least_connections', 'the least loaded of all; ties in weighted rotation', 1, 'inflight / weight'],
    ['round_robin', 'next in rotation', 0, ''],
    [
      'weighted_least_request',
      'the next eligible in rotation by weight, deferred by requests in flight',
      0,
      '',
    ],
    ['maglev', 'without a key: any endpoint, by weight', 0, ''],
    ['ring_hash', 'without a key: any endpoint, by weight', 0, ''],
    ['rendezvous', 'without a key: any endpoint, by weight', 0, ''],
    ['random', 'drawn at random, by weight, from those that are eligible', 0, ''],
  ] as const)('%s', async (balancer, step, compared, measure) => {
    const [client] = await clientOf({ balancer })
    const explanation = client.explain()
    expect(explanation.steps).toEqual([step])
    expect(explanation.compared.length).toBe(compared)
    for (const one of explanation.compared) expect(one).toMatchObject({ measure, weight: 1, inflight: 0 })
    expect(explanation.picked?.origin).toMatch(/^http:\/\/10/)
    if (compared > 0) {
      expect(explanation.compared.map(({ key }) => key)).toContain(explanation.picked?.key)
    }
  })

  test('weighted round robin', async () => {
    const set = instances.map((instance, index) => ({ ...instance, weight: 1 + index }))
    const [client] = await clientOf({ balancer: 'weighted_round_robin' }, set)
    expect(client.explain().steps).toEqual(['the next eligible in rotation by weight'])
  })

  test('one of your own, as far as it tells', async () => {
    const [client] = await clientOf({ balancer: (endpoints) => ({ pick: () => endpoints[3] }) })
    expect(client.explain()).toMatchObject({
      steps: ['the balancer does not explain its picks'],
      picked: { origin: 'http://10.0.0.1:4' },
    })
  })
})

test('layers say what they exclude, and why', async () => {
  const balancer = compose(
    subset({ size: 6, index: 0, of: 2 }),
    locality({ zone: 'a' }),
    slowStart({ windowMs: 60_000 }),
    'round_robin',
  )
  const [client, resolver, clock] = await clientOf({ balancer }, instances.slice(0, 7))
  const { skipped, steps, picked } = client.explain()
  expect(skipped.filter(({ reason }) => reason === "not in this client's subset of 6 of 7").length).toBe(1)
  expect(
    skipped.some(({ reason }) => /^zone [ab](, our own,)? gets \d+% of the requests$/.test(reason)),
  ).toBe(true)
  expect(steps.length).toBe(2)
  expect(steps[1]).toBe('next in rotation')
  expect(picked).toBeDefined()
  // All of these are new.
  await clock.advance(1000)
  resolver.snapshot([11, 12, 13, 14, 15, 16].map((port) => instanceAt(`http://10.0.0.1:${port}`)))
  await clock.advance(0)
  expect(JSON.stringify(client.explain())).toContain('in slow start, and gets 10% of its share')
})

test('what is excluded, of weight 0 or retained is named', async () => {
  const set = instances.map((instance, index) => ({ ...instance, weight: index === 0 ? 0 : 1 }))
  const [client, resolver, clock] = await clientOf({ balancer: 'round_robin' }, set)
  resolver.snapshot(set.slice(0, 2), {
    excluded: [{ key: 'node/x@10.0.0.1:99', reason: 'critical', kind: 'unhealthy', priority: 0 }],
  })
  await clock.advance(0)
  const { skipped } = client.explain()
  expect(skipped).toContainEqual({ key: 'node/x@10.0.0.1:99', reason: 'critical' })
  expect(skipped).toContainEqual({ key: set[0]?.key, reason: 'of weight 0, a last resort' })
  expect(skipped).toContainEqual({ key: set[5]?.key, reason: 'retained: discovery no longer lists it' })
})

test('what is retained is for idempotent requests, and it says so', async () => {
  const [client, resolver, clock] = await clientOf({ balancer: 'round_robin' }, instances.slice(0, 1))
  resolver.snapshot([], { suspect: 'no leader' })
  await clock.advance(0)
  expect(client.explain().picked?.key).toBe(instances[0]?.key)
  expect(client.explain({ method: 'POST', idempotent: true }).picked?.key).toBe(instances[0]?.key)
  const refused = client.explain({ method: 'POST' })
  expect(refused.picked).toBeUndefined()
  expect(refused.steps.at(-1)).toBe(
    'every endpoint is retained although no longer listed, and the request is not idempotent',
  )
  expect(refused.skipped).toEqual([
    {
      key: instances[0]?.key,
      reason: 'retained: discovery no longer lists it, and it gets idempotent requests only',
    },
  ])
})

test.each(['maglev', 'ring_hash', 'rendezvous'] as const)('%s: where a key leads', async (balancer) => {
  const [client] = await clientOf({ balancer })
  const first = client.explain({ hashKey: 'ann' })
  expect(first.steps).toEqual(['the owner of its key'])
  expect(client.explain({ hashKey: 'ann' }).picked?.key).toBe(first.picked?.key)
})

test('a key is explained by its hash, and a failed pick by its reason', async () => {
  const [client] = await clientOf({ balancer: 'maglev' }, [])
  // XXH64 of "a", from the reference implementation.
  expect(client.explain({ hashKey: 'a' })).toMatchObject({ hash: 'd24ec4f1a98c6e5b', picked: undefined })
  expect(client.explain().hash).toBeUndefined()
  expect(client.explain().steps.at(-1)).toMatch(/knows no instance|knows none|no instance/)
})

test('before the first answer it says that a request would wait', () => {
  const client = createClient('orders', { resolver: new FakeResolver() })
  clients.push(client)
  expect(client.explain().steps[0]).toBe('discovery has not answered yet: a request would wait for it')
})

test('priorities and their shares are told', async () => {
  const set = instances.map((instance, index) => ({ ...instance, priority: index % 2 }))
  const [client] = await clientOf({ balancer: 'round_robin' }, set)
  expect(client.explain().steps[0]).toBe('priority 0, which gets 100% of the load')
})

test('an endpoint that is unavailable is named once, with the reason and how long it lasts', async () => {
  // No system hands out the lowest port.
  const refusing = instanceAt('http://127.0.0.1:1')
  const unavailable = { key: refusing.key, reason: 'unavailable (circuit_open) for another 60000 ms' }
  const [client, resolver] = await clientOf(
    {
      // One that tells by itself that the owner of a key cannot be taken.
      balancer: 'ring_hash',
      retry: false,
      panicThreshold: 0,
      breaker: { volumeThreshold: 2, resetMs: 60_000 },
      // As long as jitter allows.
      random: { next: () => 1, bits: () => -1 },
    },
    [refusing],
  )
  for (let n = 0; n < 2; n++) {
    await expect(client.request({ path: '/' })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  }
  const { picked, skipped, steps } = client.explain({ hashKey: 'a' })
  expect(picked).toBeUndefined()
  expect(skipped).toEqual([unavailable])
  expect(steps.at(-1)).toBe(
    'every endpoint is unavailable: circuit_open (1), the first until 60000 ms from now',
  )

  const other = instanceAt('http://10.0.0.1:80')
  resolver.snapshot([refusing, other])
  await until(() => client.inspect().endpoints.length === 2)
  const keys = Array.from({ length: 64 }, (_, n) => client.explain({ hashKey: `key ${n}` }))
  expect(keys.map(({ picked: { key } = { key: '' } }) => key)).not.toContain(refusing.key)
  const [theirs] = keys.filter((key) => key.steps.at(-1)?.startsWith('the next after the owner'))
  expect(theirs?.skipped).toEqual([unavailable])
})
