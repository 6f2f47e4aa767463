import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FairleadError } from '../../errors.js'
import { ManualClock, seededRandom } from '../../testing/index.js'
import { addressRecord, DnsServer, srvRecord } from '../../test-support/dns-server.test.support.js'
import { until } from '../../test-support/until.test.support.js'
import { Watching } from '../../test-support/watching.test.support.js'
import type { DnsResolverOptions } from './options.js'
import { dnsResolver } from './resolver.js'
import type { Snapshot } from '../resolver.js'

let server: DnsServer
let clock: ManualClock

beforeEach(async () => {
  server = await DnsServer.start()
  clock = new ManualClock()
})

afterEach(() => server[Symbol.asyncDispose]())

function follow(options: DnsResolverOptions = {}): Watching {
  const resolver = dnsResolver({
    servers: [server.address],
    name: (service) => `${service}.test`,
    timeoutMs: 2000,
    clock,
    random: seededRandom(1),
    ...options,
  })
  return new Watching(resolver, 'orders', clock)
}

/** The first event, before any manual time has passed: a set waits for its targets by the clock. */
function first(watch: Watching): Promise<Snapshot> {
  return watch.snapshot(watch.atOnce())
}

/** Waits for a set with one instance, whatever comes before it. */
async function one(watch: Watching): Promise<void> {
  while ((await watch.snapshot()).instances.length !== 1);
}

/** Questions of these types since the last call. */
function asked(type: string): number {
  const count = server.queries.filter((query) => query.startsWith(`${type} `)).length
  server.queries.length = 0
  return count
}

describe('SRV records', () => {
  beforeEach(() => {
    server.set('A a.test', [addressRecord('a.test', '10.0.0.1')])
    server.set('A b.test', [addressRecord('b.test', '10.0.0.2')])
    server.set('AAAA b.test', [addressRecord('b.test', 'fd00::2')])
  })

  test('are instances, their targets resolved', async () => {
    server.set('SRV orders.test', [
      srvRecord('orders.test', 'b.test', 8080, 20, 3),
      srvRecord('orders.test', 'A.test', 80, 10, 7),
    ])
    await using watch = follow({ scheme: 'https' })
    const { instances, excluded } = await first(watch)
    const common = { tags: [], meta: {}, locality: {} }
    expect(instances).toEqual([
      {
        ...common,
        key: 'dns/a.test:80',
        origin: 'https://a.test:80',
        addresses: ['10.0.0.1'],
        weight: 7,
        priority: 0,
      },
      {
        ...common,
        key: 'dns/b.test:8080',
        origin: 'https://b.test:8080',
        addresses: ['10.0.0.2', 'fd00::2'],
        weight: 3,
        priority: 1,
      },
    ])
    expect(excluded).toEqual([])
    expect(instances.every(Object.isFrozen)).toBe(true)
  })

  test.each<[string, readonly (readonly [number, number])[], readonly (readonly [number, number])[]]>([
    [
      'priorities are counted from 0',
      [
        [30, 1],
        [10, 2],
        [20, 3],
        [10, 4],
      ],
      [
        [0, 2],
        [0, 4],
        [1, 3],
        [2, 1],
      ],
    ],
    [
      'weight 0 among others is a last resort',
      [
        [1, 0],
        [1, 5],
      ],
      [
        [0, 0],
        [0, 5],
      ],
    ],
    [
      'weight 0 of all is equal shares',
      [
        [1, 0],
        [1, 0],
      ],
      [
        [0, 1],
        [0, 1],
      ],
    ],
    [
      'weight 0 is seen priority by priority',
      [
        [1, 0],
        [2, 5],
      ],
      [
        [0, 1],
        [1, 5],
      ],
    ],
  ])('%s', async (_, records, expected) => {
    const targets = records.map((_record, index) => `t${index}.test`)
    for (const target of targets) server.set(`A ${target}`, [addressRecord(target, '10.0.0.1')])
    server.set(
      'SRV orders.test',
      records.map(([priority, weight], index) =>
        srvRecord('orders.test', targets[index] ?? '', 80, priority, weight),
      ),
    )
    await using watch = follow()
    const { instances } = await first(watch)
    const seen = instances.map(({ priority, weight }) => [priority, weight])
    expect(seen.sort()).toEqual([...expected].sort())
  })

  test('what cannot be used is excluded, with its reason', async () => {
    server.set('SRV orders.test', [
      srvRecord('orders.test', 'a.test', 0),
      srvRecord('orders.test', 'gone.test', 80),
      srvRecord('orders.test', 'a.test', 80),
      srvRecord('orders.test', 'a.test', 80, 9),
    ])
    await using watch = follow()
    const { instances, excluded } = await first(watch)
    expect(instances.map(({ key, priority }) => [key, priority])).toEqual([['dns/a.test:80', 0]])
    expect(excluded).toEqual([
      { key: 'dns/a.test:0', reason: 'has port 0', kind: 'unusable', priority: 0 },
      {
        key: 'dns/gone.test:80',
        reason: 'has host name gone.test, which does not resolve (no address)',
        kind: 'unusable',
        priority: 0,
      },
    ])
  })

  test('the target "." says that there is no such service', async () => {
    server.set('SRV orders.test', [srvRecord('orders.test', '.', 0)])
    await using watch = follow()
    expect(await first(watch)).toMatchObject({ instances: [], excluded: [] })
  })

  test('are queried every 30 s; another order is not news', async () => {
    const records = [srvRecord('orders.test', 'a.test', 80), srvRecord('orders.test', 'b.test', 80)]
    server.set('SRV orders.test', records)
    await using watch = follow()
    await first(watch)
    asked('SRV')
    server.set('SRV orders.test', records.toReversed())
    await watch.pass(29_000)
    expect(asked('SRV')).toBe(0)
    await watch.pass(5000)
    expect(asked('SRV')).toBe(1)
    expect(watch.unread).toEqual([])
    server.set('SRV orders.test', records.slice(1))
    expect(await watch.origins()).toEqual(['http://b.test:80'])
  })

  test('so many that they need TCP', async () => {
    const targets = Array.from({ length: 40 }, (_, n) => `target-number-${n}.test`)
    server.set(
      'SRV orders.test',
      targets.map((target) => srvRecord('orders.test', target, 80)),
    )
    for (const target of targets) server.set(`A ${target}`, [addressRecord(target, '10.0.0.1')])
    await using watch = follow()
    expect((await first(watch)).instances).toHaveLength(40)
    expect(server.queries).toContain('SRV orders.test tcp')
  })

  test('targets that do not answer keep their addresses, and do not hold up the rest', async () => {
    server.set('SRV orders.test', [
      srvRecord('orders.test', 'a.test', 80),
      srvRecord('orders.test', 'b.test', 80),
    ])
    await using watch = follow()
    await first(watch)
    server.fault = (question) => (question.endsWith(' a.test') ? 'SERVFAIL' : undefined)
    server.set('A b.test', [addressRecord('b.test', '10.0.0.9')])
    const { instances } = await watch.snapshot()
    expect(instances.map(({ addresses }) => addresses)).toEqual([['10.0.0.1'], ['10.0.0.9', 'fd00::2']])
  })
})

describe('addresses', () => {
  test('are an instance each, of weight 1, behind the name', async () => {
    server.set('A orders.test', [
      addressRecord('orders.test', '10.0.0.2'),
      addressRecord('orders.test', '10.0.0.1'),
    ])
    await using watch = follow({ port: 8080 })
    const { instances } = await first(watch)
    expect(instances).toEqual(
      ['10.0.0.1', '10.0.0.2'].map((address) => ({
        key: `dns/orders.test:8080/${address}`,
        origin: 'http://orders.test:8080',
        addresses: [address],
        weight: 1,
        priority: 0,
        tags: [],
        meta: {},
        locality: {},
      })),
    )
    expect(instances.every(Object.isFrozen)).toBe(true)
  })

  test('one of each family is one instance', async () => {
    server.set('AAAA orders.test', [addressRecord('orders.test', 'fd00::1')])
    server.set('A orders.test', [addressRecord('orders.test', '10.0.0.1')])
    await using watch = follow({ port: 80 })
    expect((await first(watch)).instances.map(({ addresses }) => addresses)).toEqual([
      ['10.0.0.1', 'fd00::1'],
    ])
  })

  test('a second one leaves the first as it is', async () => {
    server.set('A orders.test', [addressRecord('orders.test', '10.0.0.2')])
    await using watch = follow({ port: 80 })
    const [before] = (await first(watch)).instances
    server.set('A orders.test', [
      addressRecord('orders.test', '10.0.0.1'),
      addressRecord('orders.test', '10.0.0.2'),
    ])
    expect((await watch.snapshot()).instances[1]).toEqual(before)
  })

  test.each([
    ['as their time to live says', 20, {}, 20_000],
    ['not sooner than after a second', 0, {}, 1000],
    ['not later than after five minutes', 86_400, {}, 300_000],
    ['within the bounds that are given', 86_400, { maxTtlMs: 50_000 }, 50_000],
    ['within the lower bound that is given', 1, { minTtlMs: 10_000 }, 10_000],
  ])('are queried again %s', async (_, ttl, options, expectedMs) => {
    server.set('A orders.test', [
      addressRecord('orders.test', '10.0.0.1', 86_400),
      addressRecord('orders.test', '10.0.0.2', ttl),
    ])
    await using watch = follow({ port: 80, ...options })
    await first(watch)
    await watch.step(0)
    asked('A')
    await watch.step(expectedMs - 1)
    expect(asked('A')).toBe(0)
    // Up to a tenth later.
    await clock.advance(expectedMs / 10 + 1)
    await until(() => server.queries.length > 0)
    expect(asked('A')).toBe(1)
  })

  test('one family that cannot be had does not hide the other, and keeps what it had', async () => {
    server.set('A orders.test', [addressRecord('orders.test', '10.0.0.1', 1)])
    server.set('AAAA orders.test', [addressRecord('orders.test', 'fd00::1', 1)])
    server.fault = (question) => (question.startsWith('AAAA') ? 'SERVFAIL' : undefined)
    await using watch = follow({ port: 80 })
    expect((await first(watch)).instances[0]?.addresses).toEqual(['10.0.0.1'])
    server.fault = undefined
    expect((await watch.snapshot()).instances[0]?.addresses).toEqual(['10.0.0.1', 'fd00::1'])
    server.fault = (question) => (question.startsWith('AAAA') ? 'REFUSED' : undefined)
    await watch.pass(5000)
    expect(watch.unread).toEqual([])
    server.fault = (question) => (question.startsWith('A ') ? 'SERVFAIL' : undefined)
    await watch.pass(5000)
    expect(watch.unread).toEqual([])
  })
})

describe.each([
  ['SRV records', {}],
  ['addresses', { port: 80 }],
])('of a name without %s', (_, options) => {
  test('there are no instances: that is a fact', async () => {
    await using watch = follow(options)
    expect((await first(watch)).instances).toEqual([])
  })

  test('but with others as well', async () => {
    server.set('TXT orders.test', [])
    await using watch = follow(options)
    expect((await first(watch)).instances).toEqual([])
    server.set('A a.test', [addressRecord('a.test', '10.0.0.1')])
    server.set('SRV orders.test', [srvRecord('orders.test', 'a.test', 80)])
    server.set('A orders.test', [addressRecord('orders.test', '10.0.0.1')])
    await one(watch)
  })
})

describe('a fault', () => {
  beforeEach(() => {
    server.set('A a.test', [addressRecord('a.test', '10.0.0.1')])
    server.set('SRV orders.test', [srvRecord('orders.test', 'a.test', 80)])
    server.set('A orders.test', [addressRecord('orders.test', '10.0.0.1')])
  })

  test.each([
    [
      'SERVFAIL',
      {},
      'SRV orders.test (ESERVFAIL): the server is up, but could not get an answer from the authoritative servers',
    ],
    [
      'REFUSED',
      {},
      'SRV orders.test (EREFUSED): the server rejects queries for this name, or queries from this machine',
    ],
    [
      'silence',
      {},
      'SRV orders.test (ETIMEOUT): no DNS server answers at that address; check that it is up and that the address is right',
    ],
    [
      'SERVFAIL',
      { port: 80 },
      'A orders.test (ESERVFAIL): the server is up, but could not get an answer from the authoritative servers',
    ],
    [
      'silence',
      { port: 80 },
      'A orders.test (ETIMEOUT): no DNS server answers at that address; check that it is up and that the address is right',
    ],
  ] as const)('%s with %j leaves the set stale, until it is over', async (fault, options, message) => {
    await using watch = follow({ ...options, ...(fault === 'silence' && { timeoutMs: 100 }) })
    const before = await first(watch)
    server.fault = fault
    expect(await watch.stale()).toBe(`DNS at ${server.address} gave no answer for ${message}`)
    server.fault = undefined
    expect(await watch.snapshot()).toEqual(before)
  })

  test('from the start', async () => {
    server.fault = 'SERVFAIL'
    await using watch = follow()
    expect(await watch.stale()).toContain('ESERVFAIL')
    server.fault = undefined
    await one(watch)
  })

  test('is reported once, and tried again less and less often', async () => {
    server.fault = 'SERVFAIL'
    await using watch = follow()
    await watch.stale()
    await watch.pass(60_000)
    // Half of it to all of it: 1, 2, 4, 8, 16 and then 30 s.
    expect(asked('SRV')).toBeLessThanOrEqual(9)
    expect(watch.unread).toEqual([])
  })

  test('is an invalid name', async () => {
    await using watch = follow({ name: 'a..b' })
    expect(await watch.stale()).toContain('SRV a..b (EBADNAME): that is not a DNS name; see option name')
    await using other = follow({ name: () => '' })
    expect(await other.stale()).toBe('option name made  of orders: it must make a DNS name')
  })
})

test('ends at once when its signal aborts, with a question on its way', async () => {
  server.fault = 'silence'
  for (const options of [{}, { port: 80 }]) {
    server.queries.length = 0
    const watch = follow({ ...options, timeoutMs: 60_000 })
    await until(() => server.queries.length > 0)
    await watch[Symbol.asyncDispose]()
    expect([watch.events, clock.pending]).toEqual([[], 0])
  }
})

test.each<[unknown, string]>([
  [{ prot: 80 }, 'unknown option prot: remove it or check its spelling (did you mean port?)'],
  [{ port: 0 }, 'port is 0: it must be a whole number from 1 to 65535'],
  [{ name: '' }, "name is '': it must be a DNS name, or a function (service) => name"],
  [{ servers: [] }, 'servers is []: it must be a list with a server in it'],
  [{ servers: '127.0.0.1' }, "servers is '127.0.0.1': it must be a list of IP addresses"],
  [
    { servers: ['127.0.0.1', 'localhost:8600'] },
    `servers[1] is 'localhost:8600': it must be an IP address, with a port where that is not 53, such as "127.0.0.1:8600"`,
  ],
  [{ servers: ['127.0.0.1:86000'] }, `servers[0] is '127.0.0.1:86000': it must be an IP address`],
  [{ refreshMs: 10 }, 'refreshMs is 10: it must be a whole number of milliseconds from 1000 to 3600000'],
  [{ minTtlMs: 5000, maxTtlMs: 1000 }, 'minTtlMs is 5000: it must be at most maxTtlMs, which is 1000'],
])('options %j: %s', (options, message) => {
  const make = (): unknown => dnsResolver(options as never)
  expect(make).toThrow(FairleadError)
  expect(make).toThrow(message)
})

test('servers may have a port, be IPv6, or be those of the machine', () => {
  expect(dnsResolver({ servers: ['127.0.0.1', '127.0.0.1:8600', '::1', '[::1]', '[::1]:8600'] }).name).toBe(
    'DNS at 127.0.0.1, 127.0.0.1:8600, ::1, [::1], [::1]:8600',
  )
  expect(dnsResolver().name).toBe('DNS')
})
