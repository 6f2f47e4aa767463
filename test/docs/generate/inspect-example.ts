import { createClient, type ExcludedInstance, type Instance } from '@fairlead/sdk'
import { FakeResolver, instanceAt, ManualClock, seededRandom } from '@fairlead/sdk/testing'

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined }

/**
 * What a real client says of itself: of five instances three have just gone from the registry at once, which is more than
 * half, and a sixth is critical. Time and randomness are given, and nothing is sent, so that it always says the same.
 */
export async function exampleOutputs(): Promise<{ readonly inspected: object; readonly explained: object }> {
  const clock = new ManualClock()
  const resolver = new FakeResolver()
  await using orders = createClient('orders', { resolver, clock, random: seededRandom(1), logger: SILENT })
  const all = [1, 2, 3, 4, 5].map(instance)
  const excluded: ExcludedInstance[] = [
    { key: 'node6/orders-6@10.0.0.6:8080', reason: 'critical', kind: 'unhealthy', priority: 0 },
  ]
  resolver.snapshot(all, { excluded })
  await orders.ready()
  await clock.advance(1000)
  resolver.snapshot(all.slice(0, 2), { excluded })
  await clock.advance(1500)
  return { inspected: orders.inspect(), explained: orders.explain({ path: '/v1/orders/42' }) }
}

function instance(number: number): Instance {
  return instanceAt(`http://10.0.0.${number}:8080`, {
    key: `node${number}/orders-${number}@10.0.0.${number}:8080`,
    weight: number === 1 ? 3 : 1,
    locality: { zone: 'a', datacenter: 'dc1' },
  })
}
