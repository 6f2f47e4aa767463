import { expect, test } from 'vitest'
import { createClient } from '../index.js'
import { Events, type FairleadEvent } from '../observe/events.js'
import { FakeResolver, instanceAt } from '../testing/index.js'
import { checking } from './checking.js'
import type { Resolver, ResolverEvent } from './resolver.js'

const a = instanceAt('http://10.0.0.1:1')
const excluded = { key: 'node/b@10.0.0.1:2', reason: 'critical', kind: 'unhealthy', priority: 0 }
const set = { kind: 'snapshot', instances: [a], excluded: [excluded] }

/** A resolver that says these, as one in JavaScript may. */
function saying(...said: readonly unknown[]): Resolver {
  return {
    name: 'my resolver',
    async *watch() {
      await Promise.resolve()
      yield* said as readonly ResolverEvent[]
    },
  }
}

async function heardOf(...said: readonly unknown[]): Promise<{ events: ResolverEvent[]; told: string[] }> {
  const events: ResolverEvent[] = []
  const told: string[] = []
  const hear = (event: FairleadEvent): void => {
    if (event.type === 'discovery:invalid') told.push(`${event.resolver}: ${event.error.message}`)
  }
  const resolver = checking(saying(...said), new Events({ traffic: false, hear }))
  const { signal } = new AbortController()
  for await (const event of resolver.watch('orders', signal)) events.push(event)
  return { events, told }
}

const withInstance = (fields: object): unknown => ({ ...set, instances: [a, { ...a, ...fields }] })

test.each<readonly [wrong: unknown, complaint: string]>([
  [undefined, 'the event is undefined: it must be an object'],
  [{ kind: 'delta' }, `kind is 'delta': it must be "snapshot" or "stale"`],
  [{ kind: 'stale', cause: 'cut off' }, `the cause of an event "stale" is 'cut off': it must be an Error`],
  [{ ...set, instances: undefined }, 'instances is undefined: it must be an array; [] where there are none'],
  [{ ...set, excluded: undefined }, 'excluded is undefined: it must be an array; [] where there are none'],
  [{ ...set, savedAt: NaN }, 'savedAt is NaN: it must be Unix milliseconds, or undefined'],
  [{ ...set, policy: 'round_robin' }, `policy is 'round_robin': it must be an object, or undefined`],
  [{ ...set, instances: [null] }, 'instances[0] is null: it must be an object'],
  [withInstance({ key: '' }), "instances[1].key is '': it must be a string that is not empty"],
  ...[
    '10.0.0.1:80',
    'http://10.0.0.1',
    'http://10.0.0.1:80/',
    'ftp://10.0.0.1:80',
    'HTTPS://10.0.0.1:80',
    'http://::1:80',
    80,
  ].map(
    (origin) =>
      [withInstance({ origin }), 'it must be a URL of scheme, host and port, such as "http://'] as const,
  ),
  [withInstance({ weight: '3' }), "instances[1].weight is '3': it must be a finite number, 0 or more"],
  [withInstance({ weight: -1 }), 'instances[1].weight is -1'],
  [withInstance({ weight: Infinity }), 'instances[1].weight is Infinity'],
  [withInstance({ priority: 0.5 }), 'instances[1].priority is 0.5: it must be a whole number, 0 or more'],
  [withInstance({ tags: undefined }), 'instances[1].tags is undefined: it must be an array of strings'],
  [withInstance({ tags: [1.1] }), 'instances[1].tags is [ 1.1 ]'],
  [withInstance({ meta: undefined }), 'instances[1].meta is undefined: it must be an object of strings'],
  [withInstance({ meta: { version: 2 } }), 'instances[1].meta is { version: 2 }'],
  [withInstance({ locality: 'eu' }), "instances[1].locality is 'eu': it must be an object"],
  [withInstance({ addresses: '10.0.0.1' }), "instances[1].addresses is '10.0.0.1'"],
  [{ ...set, excluded: [{ ...excluded, kind: 'bad' }] }, "excluded[0].kind is 'bad': it must be deliberate"],
])('%j is said to be wrong, and is no set', async (wrong, complaint) => {
  const { events, told } = await heardOf(set, wrong, set)
  expect(events.map(({ kind }) => kind)).toEqual(['snapshot', 'stale', 'snapshot'])
  expect(events[1]).toMatchObject({
    cause: { message: expect.stringMatching(/^my resolver gave a set that cannot be used: /) as string },
  })
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(/^my resolver: /)
  expect(told[0]).toContain(complaint)
})

test('what keeps to the contract passes as it is', async () => {
  const full = {
    ...set,
    instances: [
      a,
      instanceAt('https://[::1]:8443', { weight: 0, priority: 3, tags: ['v2'], meta: { version: '2' } }),
      instanceAt('http://orders.internal:80', { addresses: ['10.0.0.7'], locality: { zone: 'a' } }),
    ],
    suspect: 'no leader',
    empty: 'knows nothing',
    savedAt: 7,
    policy: { requestTimeoutMs: 5 },
  }
  const stale = { kind: 'stale', cause: new Error('cut off') }
  const { events, told } = await heardOf(full, stale, { ...set, instances: [] })
  expect(events[0]).toBe(full)
  expect(events[1]).toBe(stale)
  expect(events).toHaveLength(3)
  expect(told).toEqual([])
})

test("a client's requests say what is wrong where there has been no other set", async () => {
  const resolver = new FakeResolver()
  const none = (): void => undefined
  const logger = { info: none, warn: none, error: none }
  await using orders = createClient('orders', { resolver, logger, timeoutMs: 50 })
  resolver.snapshot([{ ...a, origin: '10.0.0.1:1' }])
  await expect(orders.request({ path: '/' })).rejects.toMatchObject({
    code: 'NO_ENDPOINTS',
    message: expect.stringContaining("instances[0].origin is '10.0.0.1:1'") as string,
  })
})
