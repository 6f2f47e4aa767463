import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../testing/index.js'
import { sourceKinds, type Source, type SourceKind } from '../test-support/resolver-sources.test.support.js'
import { until } from '../test-support/until.test.support.js'
import { Watching } from '../test-support/watching.test.support.js'
import type { HostLookup } from './hosts/host-lookup.js'
import { hostOf } from './origin.js'
import { resolveHosts } from './hosts/resolve-hosts.js'
import type { Instance, Resolver, Snapshot } from './resolver.js'
import { SharedResolver } from './shared-resolver.js'

/** What every resolver keeps, whatever it asks. */
interface Subject extends SourceKind {
  readonly wrap: (resolver: Resolver, clock: ManualClock) => Resolver
  readonly hostOf: (instance: number) => string
}

const asAddress = (instance: number): string => `10.0.0.${instance}`
const asName = (instance: number): string => `h${instance}.test`
const lookup: HostLookup = (host) => Promise.resolve([host.replace(/^h(\d+)\.test$/, '10.0.0.$1')])
const share = (resolver: Resolver, clock: ManualClock): Resolver =>
  new SharedResolver(resolver, clock, seededRandom(1))
const resolve = (resolver: Resolver, clock: ManualClock): Resolver =>
  resolveHosts(resolver, lookup, clock, seededRandom(1))

const subjects: readonly Subject[] = sourceKinds.flatMap((kind) => [
  { ...kind, wrap: (resolver) => resolver, hostOf: asAddress },
  { ...kind, name: `SharedResolver around ${kind.name}`, wrap: share, hostOf: asAddress },
  { ...kind, name: `resolveHosts around ${kind.name}`, wrap: resolve, hostOf: asAddress },
  { ...kind, name: `resolveHosts around ${kind.name} with names`, wrap: resolve, hostOf: asName },
  {
    ...kind,
    name: `both around ${kind.name} with names`,
    wrap: (resolver, clock) => share(resolve(resolver, clock), clock),
    hostOf: asName,
  },
])

let clock: ManualClock
let source: Source
let resolver: Resolver
const rejections: unknown[] = []
const note = (reason: unknown): void => void rejections.push(reason)

beforeEach(() => {
  rejections.length = 0
  process.on('unhandledRejection', note)
})

afterEach(async () => {
  await source[Symbol.asyncDispose]()
  // Node tells of a rejection once the microtasks are done.
  await new Promise((done) => setImmediate(done))
  process.off('unhandledRejection', note)
  expect(rejections).toEqual([])
})

async function start(subject: Subject): Promise<void> {
  clock = new ManualClock()
  source = await subject.start(clock, subject.hostOf)
  resolver = subject.wrap(source.resolver, clock)
}

function follow(service = 'orders'): Watching {
  return new Watching(resolver, service, clock)
}

/** The numbers of a set's instances. */
function numbersIn({ instances }: Snapshot): number[] {
  return instances.map(numberOf).sort()
}

function numberOf({ origin, addresses }: Instance): number {
  return Number(/(\d+)(\.test)?$/.exec(addresses?.[0] ?? hostOf(origin))?.[1])
}

/** Waits for a set of these instances; the first with new names may lack some of them. */
async function reaches(watch: Watching, expected: readonly number[]): Promise<Snapshot> {
  for (;;) {
    const snapshot = await watch.snapshot()
    if (snapshot.excluded.length > 0) continue
    expect(numbersIn(snapshot)).toEqual(expected)
    return snapshot
  }
}

describe.each(subjects)('$name', (subject) => {
  beforeEach(() => start(subject))

  test('begins with a set, and does not repeat it', async () => {
    await source.set('orders', [1, 2])
    await using watch = follow()
    await reaches(watch, [1, 2])
    await watch.pass(300_000)
    expect(watch.unread).toEqual([])
    expect(watch.end).toBeUndefined()
  })

  test('instances have keys of their own, and are frozen', async () => {
    await source.set('orders', [1, 2, 3, 4, 5])
    await using watch = follow()
    const { instances } = await reaches(watch, [1, 2, 3, 4, 5])
    expect(new Set(instances.map(({ key }) => key)).size).toBe(5)
    expect(instances.every(Object.isFrozen)).toBe(true)
  })

  test('an unknown service has no instances, and that is not an error', async () => {
    await source.set('payments', [1])
    await using watch = follow('unknown')
    expect(await watch.next()).toMatchObject({ kind: 'snapshot', instances: [], excluded: [] })
  })

  test('ends while it waits, with nothing left', async () => {
    await source.set('orders', [1])
    const watch = follow()
    await reaches(watch, [1])
    await watch.pass(1000)
    await watch[Symbol.asyncDispose]()
    expect(clock.pending).toBe(0)
  })

  test('ends before it has begun', async () => {
    await source.set('orders', [1])
    const watch = follow()
    await watch[Symbol.asyncDispose]()
    expect(clock.pending).toBe(0)
    const late = resolver.watch('orders', AbortSignal.abort())[Symbol.asyncIterator]()
    expect(await late.next()).toEqual({ done: true, value: undefined })
    expect(clock.pending).toBe(0)
  })

  test('ends when its reader stops, with nothing left', async () => {
    await source.set('orders', [1])
    const events = resolver.watch('orders', new AbortController().signal)[Symbol.asyncIterator]()
    const first = events.next()
    const pump = setInterval(() => void clock.advance(50), 1)
    expect(await first.finally(() => clearInterval(pump))).toMatchObject({ done: false })
    await events.return?.()
    await until(() => clock.pending === 0)
  })

  test('two services have nothing to do with each other', async () => {
    await source.set('orders', [1])
    await source.set('payments', [2])
    const orders = follow('orders')
    await using payments = follow('payments')
    await reaches(orders, [1])
    await reaches(payments, [2])
    await orders[Symbol.asyncDispose]()
    await payments.pass(1000)
    expect(payments.unread).toEqual([])
    expect(payments.end).toBeUndefined()
  })
})

describe.each(subjects.filter(({ changes }) => changes))('$name, when its data changes', (subject) => {
  beforeEach(() => start(subject))

  test('gives whole sets', async () => {
    await source.set('orders', [1, 2])
    await using watch = follow()
    await reaches(watch, [1, 2])
    for (const next of [[2, 3], [3], [], [1, 3]]) {
      await source.set('orders', next)
      await reaches(watch, next)
    }
  })

  test('does not repeat a set that is only in another order', async () => {
    await source.set('orders', [1, 2, 3])
    await using watch = follow()
    await reaches(watch, [1, 2, 3])
    await source.set('orders', [3, 1, 2])
    await watch.pass(120_000)
    expect(watch.unread).toEqual([])
  })

  test('tells one service of a change, and not the other', async () => {
    await source.set('orders', [1])
    await source.set('payments', [2])
    await using orders = follow('orders')
    await using payments = follow('payments')
    await reaches(orders, [1])
    await reaches(payments, [2])
    await source.set('payments', [3])
    await reaches(payments, [3])
    await orders.pass(120_000)
    expect(orders.unread).toEqual([])
  })
})

describe.each(subjects.filter(({ fails }) => fails))('$name, when it fails', (subject) => {
  beforeEach(() => start(subject))

  test('is stale, and then fresh again, also with an equal set', async () => {
    await source.set('orders', [1, 2])
    await using watch = follow()
    const before = await reaches(watch, [1, 2])
    await source.fail?.()
    expect(await watch.stale()).not.toBe('')
    await source.heal?.()
    await healed(watch)
    expect(await reaches(watch, [1, 2])).toEqual(before)
    await watch.pass(120_000)
    expect(watch.unread).toEqual([])
    expect(watch.end).toBeUndefined()
  })

  test('is stale from the start, and goes on until there is a set', async () => {
    await source.set('orders', [1])
    await source.fail?.()
    await using watch = follow()
    await watch.stale()
    await watch.pass(60_000)
    expect(watch.end).toBeUndefined()
    await source.heal?.()
    await healed(watch)
    await reaches(watch, [1])
  })
})

describe.each(subjects.filter(({ hangs }) => hangs))('$name, when it gets no answer', (subject) => {
  beforeEach(() => start(subject))

  test('ends all the same, with nothing left', async () => {
    source.hang?.()
    const watch = follow()
    await until(() => source.asked() > 0)
    await watch[Symbol.asyncDispose]()
    expect(watch.events).toEqual([])
    expect(clock.pending).toBe(0)
    // A connection that has gone idle meanwhile is kept for 4 s.
    await until(() => source.open() === 0, 15_000)
  }, 20_000)
})

/** Skips what else is said of the fault until the set is there: a resolver may tell of every attempt. */
async function healed(watch: Watching): Promise<void> {
  await watch.until(() => watch.unread.some(({ kind }) => kind === 'snapshot'))
  while (watch.unread[0]?.kind === 'stale') await watch.next()
}
