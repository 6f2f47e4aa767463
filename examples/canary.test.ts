import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compose, createClient, type Balancer } from '@fairlead/sdk'
import { FakeResolver, instanceAt, ManualClock, seededRandom } from '@fairlead/sdk/testing'
import { afterEach, expect, test } from 'vitest'
import { canary } from './canary.js'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

const instances = [1, 2, 3, 4, 5].map((port) =>
  instanceAt(`http://10.0.0.1:${port}`, { tags: port === 5 ? ['canary'] : [] }),
)

/** How often each port is picked of a thousand times. */
async function picks(balancer: Balancer, set = instances): Promise<Map<string, number>> {
  const [resolver, clock] = [new FakeResolver(), new ManualClock()]
  const orders = createClient('orders', { resolver, clock, balancer, random: seededRandom(1) })
  cleanups.push(() => orders.close())
  resolver.snapshot(set)
  await clock.advance(0)
  const counts = new Map<string, number>()
  for (let n = 0; n < 1000; n++) {
    const origin = orders.explain().picked?.origin ?? 'none'
    counts.set(origin, (counts.get(origin) ?? 0) + 1)
  }
  return counts
}

test('a canary gets its part, whatever the policy behind it', async () => {
  for (const policy of ['round_robin', 'peak_ewma', 'least_connections'] as const) {
    const counts = await picks(compose(canary('canary', 0.05), policy))
    expect(counts.get('http://10.0.0.1:5')).toBeGreaterThan(25)
    expect(counts.get('http://10.0.0.1:5')).toBeLessThan(80)
    expect(counts.size).toBe(5)
  }
})

test('without a canary all goes to the others, and without others all to the canary', async () => {
  const balancer = compose(canary('canary', 0.05), 'round_robin')
  expect([...(await picks(balancer, instances.slice(0, 2))).keys()].sort()).toEqual([
    'http://10.0.0.1:1',
    'http://10.0.0.1:2',
  ])
  expect([...(await picks(balancer, instances.slice(4))).keys()]).toEqual(['http://10.0.0.1:5'])
})

test('the guide shows it as it is', () => {
  const read = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8')
  expect(read('../docs/balancing.md')).toContain(read('canary.ts'))
})
