import { expect, test } from 'vitest'
import { FakeResolver, instanceAt, ManualClock, seededRandom } from '../testing/index.js'
import type { Resolver, ResolverEvent } from './resolver.js'
import { SharedResolver } from './shared-resolver.js'

const a = instanceAt('http://10.0.0.1:1')
const b = instanceAt('http://10.0.0.1:2')

function share(resolver: Resolver): { shared: SharedResolver; clock: ManualClock } {
  const clock = new ManualClock()
  return { shared: new SharedResolver(resolver, clock, seededRandom(1)), clock }
}

async function next(events: AsyncIterator<ResolverEvent>): Promise<readonly string[] | string> {
  const result = await events.next()
  if (result.done === true) return 'end'
  const { value } = result
  return value.kind === 'stale'
    ? `stale: ${value.cause.message}`
    : value.instances.map(({ origin }) => origin)
}

test('two subscribers share one watch, and a late one starts with the present state', async () => {
  const resolver = new FakeResolver()
  const { shared, clock } = share(resolver)
  const stop = new AbortController()
  const first = shared.watch('orders', stop.signal)
  resolver.snapshot([a])
  expect(await next(first)).toEqual([a.origin])
  resolver.stale(new Error('agent gone'))
  expect(await next(first)).toBe('stale: agent gone')
  const late = shared.watch('orders', stop.signal)
  expect(await next(late)).toEqual([a.origin])
  expect(await next(late)).toBe('stale: agent gone')
  expect(resolver.watching).toBe(1)
  resolver.snapshot([a, b])
  expect(await next(late)).toEqual([a.origin, b.origin])
  expect(await next(first)).toEqual([a.origin, b.origin])
  stop.abort()
  expect([await next(first), await next(late)]).toEqual(['end', 'end'])
  await clock.advance(0)
  expect(resolver.watching).toBe(0)
})

test('one that joins in an outage gets the last set, and then that it is stale; one after it only the set', async () => {
  const resolver = new FakeResolver()
  const { shared } = share(resolver)
  const stop = new AbortController()
  const first = shared.watch('orders', stop.signal)
  resolver.stale(new Error('agent away'))
  expect(await next(first)).toBe('stale: agent away')
  // Before any set there is only the news that there is none.
  const early = shared.watch('orders', stop.signal)
  expect(await next(early)).toBe('stale: agent away')
  resolver.snapshot([a])
  expect([await next(first), await next(early)]).toEqual([[a.origin], [a.origin]])
  resolver.stale(new Error('agent away again'))
  expect(await next(first)).toBe('stale: agent away again')
  const during = shared.watch('orders', stop.signal)
  expect(await next(during)).toEqual([a.origin])
  expect(await next(during)).toBe('stale: agent away again')
  resolver.snapshot([a, b])
  expect([await next(first), await next(during)]).toEqual([
    [a.origin, b.origin],
    [a.origin, b.origin],
  ])
  const after = shared.watch('orders', stop.signal)
  expect(await next(after)).toEqual([a.origin, b.origin])
  const second = next(after)
  resolver.snapshot([b])
  expect(await second).toEqual([b.origin])
  stop.abort()
  expect(await next(after)).toBe('end')
})

test('a slow subscriber skips what is superseded', async () => {
  const resolver = new FakeResolver()
  const { shared, clock } = share(resolver)
  const stop = new AbortController()
  const events = shared.watch('orders', stop.signal)
  const first = next(events)
  resolver.snapshot([])
  expect(await first).toEqual([])
  resolver.snapshot([a])
  resolver.stale(new Error('gone'))
  resolver.snapshot([b])
  await clock.advance(0)
  expect(await next(events)).toEqual([b.origin])
  stop.abort()
  expect(await next(events)).toBe('end')
})

test('the watch outlives one subscriber and ends with the last', async () => {
  const resolver = new FakeResolver()
  const { shared, clock } = share(resolver)
  const leaves = new AbortController()
  const stays = new AbortController()
  const leaving = shared.watch('orders', leaves.signal)
  const staying = shared.watch('orders', stays.signal)
  resolver.snapshot([a])
  await next(leaving)
  await next(staying)
  leaves.abort()
  expect(await next(leaving)).toBe('end')
  resolver.snapshot([b])
  expect(await next(staying)).toEqual([b.origin])
  stays.abort()
  await next(staying)
  await clock.advance(0)
  expect(resolver.watching).toBe(0)
})

test('a resolver that throws, or ends, is started again after a pause, and said to be stale', async () => {
  let starts = 0
  const broken: Resolver = {
    name: 'a broken resolver',
    // eslint-disable-next-line @typescript-eslint/require-await -- throws and ends are what it is here for
    async *watch() {
      starts++
      if (starts === 1) throw new Error('cannot parse')
      yield { kind: 'snapshot', instances: [a], excluded: [] }
    },
  }
  const { shared, clock } = share(broken)
  const stop = new AbortController()
  const events = shared.watch('orders', stop.signal)
  expect(await next(events)).toBe('stale: cannot parse')
  expect(starts).toBe(1)
  const second = next(events)
  await clock.advance(1000)
  expect(await second).toEqual([a.origin])
  expect(await next(events)).toBe('stale: a broken resolver ended its watch of orders')
  stop.abort()
  expect(await next(events)).toBe('end')
})

test('the last subscriber to leave sees the watch end', async () => {
  let finish: (() => void) | undefined
  const slow: Resolver = {
    name: 'a slow resolver',
    async *watch(_service, signal) {
      try {
        yield { kind: 'snapshot', instances: [a], excluded: [] }
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      } finally {
        await new Promise<void>((resolve) => (finish = resolve))
      }
    },
  }
  const { shared, clock } = share(slow)
  const [first, last] = [new AbortController(), new AbortController()]
  const [one, other] = [shared.watch('orders', first.signal), shared.watch('orders', last.signal)]
  expect([await next(one), await next(other)]).toEqual([[a.origin], [a.origin]])
  first.abort()
  expect(await next(one)).toBe('end')
  let ended = false
  last.abort()
  const end = next(other).then(() => (ended = true))
  await clock.advance(999)
  expect(ended).toBe(false)
  finish?.()
  await end
  expect(clock.pending).toBe(0)
})

test('a resolver that does not end when it is told to is not waited for', async () => {
  const deaf: Resolver = {
    name: 'a deaf resolver',
    async *watch() {
      yield { kind: 'snapshot', instances: [a], excluded: [] }
      await new Promise(() => undefined)
    },
  }
  const { shared, clock } = share(deaf)
  const stop = new AbortController()
  const events = shared.watch('orders', stop.signal)
  expect(await next(events)).toEqual([a.origin])
  stop.abort()
  const end = next(events)
  await clock.advance(1000)
  expect(await end).toBe('end')
})
