import { describe, expect, test } from 'vitest'
import { createClient, type Client, type ClientOptions } from '../index.js'
import { FakeResolver, instanceAt } from '../testing/fake-resolver.js'
import { ManualClock } from '../testing/manual-clock.js'

const A = instanceAt('http://127.0.0.1:1')
const B = instanceAt('http://127.0.0.1:2')

function setUp(removal: ClientOptions['removal'] = false): {
  orders: Client
  resolver: FakeResolver
  clock: ManualClock
  warnings: [object, string][]
} {
  const warnings: [object, string][] = []
  const resolver = new FakeResolver()
  const clock = new ManualClock()
  const logger = {
    info: () => undefined,
    warn: (fields: object, message: string) => warnings.push([fields, message]),
    error: () => undefined,
  }
  const orders = createClient('orders', { resolver, clock, logger, idleMs: Infinity, removal })
  return { orders, resolver, clock, warnings }
}

/** How a promise stands after all else has had its turn. */
async function stateOf(promise: Promise<unknown>, clock: ManualClock): Promise<string> {
  let state = 'pending'
  promise.then(
    () => (state = 'ready'),
    (error: unknown) => (state = (error as Error).message),
  )
  await clock.advance(0)
  return state
}

describe('ready', () => {
  test('an answer is enough, and an empty one is warned about once', async () => {
    const { orders, resolver, clock, warnings } = setUp()
    const ready = orders.ready()
    expect(await stateOf(ready, clock)).toBe('pending')
    resolver.snapshot([])
    expect(await stateOf(ready, clock)).toBe('ready')
    resolver.snapshot([])
    resolver.stale(new Error('away'))
    resolver.snapshot([])
    await clock.advance(0)
    const empty = warnings.filter(([, message]) => message.startsWith('orders has no instance'))
    expect(empty).toEqual([
      [
        { service: 'orders', code: 'NO_ENDPOINTS', reason: 'a fake resolver knows no instance of that name' },
        'orders has no instance; requests fail with NO_ENDPOINTS until there is one; check that the name is spelt as it is registered',
      ],
    ])
    await orders.close()
  })

  test('a service that loses its last instance is warned about, and again the next time', async () => {
    const { orders, resolver, clock, warnings } = setUp()
    for (const set of [[A], [], [A], []]) {
      resolver.snapshot(set)
      await clock.advance(0)
    }
    expect(warnings.map(([, message]) => message.slice(0, 21))).toEqual([
      'orders has no instanc',
      'orders has no instanc',
    ])
    await orders.close()
  })

  test('minInstances waits for so many', async () => {
    const { orders, resolver, clock } = setUp()
    const two = orders.ready({ minInstances: 2 })
    resolver.snapshot([])
    expect(await stateOf(two, clock)).toBe('pending')
    resolver.snapshot([A])
    expect(await stateOf(two, clock)).toBe('pending')
    expect(await stateOf(orders.ready({ minInstances: 1 }), clock)).toBe('ready')
    resolver.snapshot([A, B])
    expect(await stateOf(two, clock)).toBe('ready')
    expect(await stateOf(orders.ready({ minInstances: 2 }), clock)).toBe('ready')
    await orders.close()
    expect(clock.pending).toBe(0)
  })

  test('what is retained is not listed', async () => {
    const { orders, resolver, clock } = setUp({ windowMs: 10_000 })
    resolver.snapshot([A, B])
    await clock.advance(0)
    resolver.snapshot([])
    await clock.advance(0)
    expect(orders.inspect().retainedEndpoints).toHaveLength(2)
    const one = orders.ready({ minInstances: 1, timeoutMs: 500 })
    void one.catch(() => undefined)
    await clock.advance(500)
    expect(await stateOf(one, clock)).toBe(
      'orders is not ready after 500 ms: it has 0 of 1 instances (option minInstances)',
    )
    await orders.close()
  })

  test('too few in time is an error that says how many', async () => {
    const { orders, resolver, clock } = setUp()
    const none = orders.ready({ minInstances: 1, timeoutMs: 500 })
    const two = orders.ready({ minInstances: 2, timeoutMs: 1000 })
    resolver.snapshot([])
    void none.catch(() => undefined)
    void two.catch(() => undefined)
    await clock.advance(500)
    expect(await stateOf(none, clock)).toBe(
      'orders is not ready after 500 ms: a fake resolver knows no instance of that name',
    )
    resolver.snapshot([A])
    await clock.advance(500)
    expect(await stateOf(two, clock)).toBe(
      'orders is not ready after 1000 ms: it has 1 of 2 instances (option minInstances)',
    )
    await expect(two).rejects.toMatchObject({ code: 'NO_ENDPOINTS', service: 'orders' })
    await orders.close()
  })

  test('closing ends the wait', async () => {
    const { orders, resolver, clock } = setUp()
    const one = orders.ready({ minInstances: 1, timeoutMs: Infinity })
    void one.catch(() => undefined)
    resolver.snapshot([])
    await clock.advance(0)
    await orders.close()
    expect(await stateOf(one, clock)).toMatch(/closed/)
    await expect(one).rejects.toMatchObject({ code: 'CLIENT_CLOSED', service: 'orders' })
    expect(clock.pending).toBe(0)
  })
})
