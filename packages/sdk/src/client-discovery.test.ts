import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { afterwards, Door, serve, takeSilently } from './client.test.support.js'
import { createClient } from './client.js'
import type { Client } from './client-interface.js'
import type { FairleadError } from './errors.js'
import type { DiscoveryEvent } from './observe/discovery-listeners.js'
import type { ClientOptions } from './client-options.js'
import { answer, FakeConsul, FakeResolver, healthEntry, instanceAt, ManualClock } from './testing/index.js'
import { until } from './test-support/until.test.support.js'

const SUSPECT = 'the agent knows no leader'

/** A client, the resolver in the hands of the test, and what it logs. */
function client(options: ClientOptions = {}): { orders: Client; resolver: FakeResolver; logged: string[] } {
  const logged: string[] = []
  const log = (fields: object, message: string): void =>
    void logged.push(`${message} ${JSON.stringify(fields)}`)
  const logger = { info: log, warn: log, error: log }
  const resolver = new FakeResolver()
  const orders = createClient('orders', { resolver, logger, ...options })
  afterwards(() => orders.dispatcher.destroy())
  return { orders, resolver, logged }
}

async function statusOf(orders: Client): Promise<number> {
  const { statusCode, body } = await orders.request({ path: '/' })
  await body.dump()
  return statusCode
}

async function failureOf(promise: Promise<unknown>): Promise<FairleadError> {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error as FairleadError,
  )
}

const ok = (): Promise<string> => serve((_, response) => response.end('ok'))

/** Addresses that refuse connections: no system hands out the lowest ports, as it would those of servers that have gone. */
const GONE = ['http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3'] as const

describe('an endpoint that is retained although no longer listed', () => {
  test('serves where nothing else does, which its answers confirm', async () => {
    const { orders, resolver, logged } = client()
    const [kept, listed] = [instanceAt(await ok()), instanceAt(await ok())]
    resolver.snapshot([kept, listed])
    await orders.ready()
    resolver.snapshot([listed], { suspect: SUSPECT })
    await until(() => orders.inspect().retainedEndpoints.length === 1)
    expect(orders.inspect()).toMatchObject({
      freshness: 'fresh',
      suspect: SUSPECT,
      endpoints: [{ key: listed.key }],
      retainedEndpoints: [{ key: kept.key, reason: 'suspect', confirmed: false, requests: 0 }],
    })
    for (let n = 0; n < 20; n++) expect(await statusOf(orders)).toBe(200)
    expect(orders.inspect().retainedEndpoints).toMatchObject([{ requests: 0 }])
    resolver.snapshot([], { suspect: SUSPECT })
    await until(() => orders.inspect().retainedEndpoints.length === 2)
    expect(await statusOf(orders)).toBe(200)
    expect(await statusOf(orders)).toBe(200)
    expect(orders.inspect().endpoints).toEqual([])
    expect(orders.inspect().retainedEndpoints.filter(({ confirmed }) => confirmed)).toHaveLength(2)
    expect(logged.filter((line) => line.includes('retaining it'))).toHaveLength(2)
    expect(orders.inspect().retainedEndpoints[0]?.retainedForMs).toBeGreaterThan(0)
  })

  test('be it by what an agent says of its own answer', async () => {
    const origin = await ok()
    const entry = healthEntry(Number(new URL(origin).port), { service: { Address: '127.0.0.1' } })
    let release: (() => void) | undefined
    const agent = await FakeConsul.start(
      answer(1, [entry]),
      answer(2, [], { 'x-consul-knownleader': 'false' }),
      (request, response) => (release = () => answer(3, [])(request, response)),
    )
    afterwards(() => agent.close())
    const { orders, logged } = client({ resolver: undefined, consul: { address: agent.address } })
    await until(() => orders.inspect().retainedEndpoints.length === 1)
    expect(orders.inspect()).toMatchObject({
      suspect: SUSPECT,
      endpoints: [],
      retainedEndpoints: [{ reason: 'suspect' }],
    })
    expect(await statusOf(orders)).toBe(200)
    expect(logged.filter((line) => line.includes('which is suspect') && line.includes(SUSPECT))).toHaveLength(
      1,
    )
    // In an answer that is not suspect, it is a single one that has gone.
    await until(() => release !== undefined)
    release?.()
    await until(() => orders.inspect().suspect === undefined)
    expect(orders.inspect().retainedEndpoints).toEqual([])
    expect(await failureOf(orders.request({ path: '/' }))).toMatchObject({ code: 'NO_ENDPOINTS' })
  })

  test('gets no request that is not idempotent, as its address may be another service’s by now', async () => {
    const { orders, resolver } = client({ sticky: { header: 'x-session', secret: 's'.repeat(32) } })
    const kept = instanceAt(await ok())
    resolver.snapshot([kept])
    await orders.ready()
    const first = await orders.request({ path: '/' })
    await first.body.dump()
    const headers = { 'x-session': String(first.headers['x-session']) }
    resolver.snapshot([], { suspect: SUSPECT })
    await until(() => orders.inspect().retainedEndpoints.length === 1)
    for (const sent of [{}, { headers }]) {
      const error = await failureOf(orders.request({ path: '/', method: 'POST', body: 'x', ...sent }))
      expect(error).toMatchObject({ code: 'NO_ENDPOINTS' })
      expect(error.message).toContain('only idempotent requests are sent there')
    }
    expect(orders.inspect().retainedEndpoints).toMatchObject([{ requests: 1 }])
    expect(await statusOf(orders)).toBe(200)
    const { statusCode, body } = await orders.request({
      path: '/',
      method: 'POST',
      body: 'x',
      idempotent: true,
    })
    await body.dump()
    expect(statusCode).toBe(200)
  })

  test('is gone as soon as it refuses a connection, which costs no request', async () => {
    const { orders, resolver, logged } = client()
    const alive = await ok()
    resolver.snapshot([...GONE, alive].map((origin) => instanceAt(origin)))
    await orders.ready()
    resolver.snapshot([])
    await until(() => orders.inspect().endpoints.length === 0)
    expect(orders.inspect().retainedEndpoints).toMatchObject(Array(4).fill({ reason: 'share' }))
    // An attempt that meets a dead one is free, but two attempts are all: a request may meet two of the three. Its second
    // goes anywhere. After the one that lives, one that is dead has its turn: of two requests one drops one at least.
    for (let n = 0; n < 6; n++) await statusOf(orders).catch(() => undefined)
    expect(orders.inspect().retainedEndpoints).toMatchObject([{ origin: alive, confirmed: true }])
    expect(await statusOf(orders)).toBe(200)
    const lines = logged.filter((line) => line.includes('a retained instance cannot be reached; removed'))
    expect(lines).toHaveLength(3)
    expect(lines.every((line) => line.includes('ECONNREFUSED'))).toBe(true)
  })

  test('is gone when its circuit opens', async () => {
    const { orders, resolver, logged } = client({ breaker: { volumeThreshold: 3 }, removal: { share: 0 } })
    const sick = await serve((_, response) => response.writeHead(500).end())
    const well = await ok()
    resolver.snapshot([instanceAt(sick), instanceAt(well)])
    await orders.ready()
    resolver.snapshot([])
    await until(() => orders.inspect().retainedEndpoints.length === 2)
    for (let n = 0; n < 20; n++) await statusOf(orders)
    expect(orders.inspect().retainedEndpoints).toMatchObject([{ origin: well }])
    expect(
      logged.filter((line) => line.includes('cannot be reached') && line.includes('circuit_open')),
    ).toHaveLength(1)
    for (let n = 0; n < 5; n++) expect(await statusOf(orders)).toBe(200)
  })

  test('an answer that comes to a request from before counts as well', async () => {
    let finish: (() => void) | undefined
    const slow = await serve((_, response) => (finish = () => response.end()))
    const { orders, resolver } = client()
    resolver.snapshot([instanceAt(slow)])
    const pending = statusOf(orders)
    await until(() => finish !== undefined)
    resolver.snapshot([], { suspect: SUSPECT })
    await until(() => orders.inspect().retainedEndpoints.length === 1)
    expect(orders.inspect().retainedEndpoints).toMatchObject([{ inflight: 1, confirmed: false }])
    finish?.()
    expect(await pending).toBe(200)
    expect(orders.inspect().retainedEndpoints).toMatchObject([{ inflight: 0, confirmed: true }])
  })

  test('is gone at once with removal: false', async () => {
    const { orders, resolver } = client({ removal: false })
    resolver.snapshot([instanceAt(await ok()), instanceAt(await ok())])
    await orders.ready()
    resolver.snapshot([], { suspect: SUSPECT })
    await until(() => orders.inspect().endpoints.length === 0)
    expect(orders.inspect().retainedEndpoints).toEqual([])
    expect(await failureOf(orders.request({ path: '/' }))).toMatchObject({ code: 'NO_ENDPOINTS' })
  })
})

describe('priorities', () => {
  test('one that cannot be reached is left for the next within the request', async () => {
    const { orders, resolver } = client()
    resolver.snapshot([instanceAt(GONE[0]), instanceAt(await ok(), { priority: 1 })])
    for (let n = 0; n < 5; n++) expect(await statusOf(orders)).toBe(200)
    expect(orders.inspect().endpoints.map(({ priority, requests }) => [priority, requests])).toEqual([
      [0, 5],
      [1, 5],
    ])
  })

  test('open circuits move load to the next, and probes bring it back', async () => {
    let sick = true
    const first = await serve((_, response) => response.writeHead(sick ? 500 : 200).end())
    const { orders, resolver } = client({ breaker: { volumeThreshold: 3, resetMs: 2000 } })
    resolver.snapshot([instanceAt(first), instanceAt(await ok(), { priority: 1 })])
    for (let n = 0; n < 3; n++) expect(await statusOf(orders)).toBe(500)
    const requests = (level: number): number => orders.inspect().endpoints[level]?.requests ?? NaN
    await until(() => orders.inspect().endpoints[0]?.availability.state === 'unavailable')
    expect(await statusOf(orders)).toBe(200)
    expect([requests(0), requests(1)]).toEqual([3, 1])
    sick = false
    await until(() => orders.inspect().endpoints[0]?.availability.state === 'probing')
    expect(await statusOf(orders)).toBe(200)
    await until(() => orders.inspect().endpoints[0]?.availability.state === 'available')
    for (let n = 0; n < 10; n++) await statusOf(orders)
    expect([requests(0), requests(1)]).toEqual([14, 1])
  })
})

describe('an idle client', () => {
  const idleMs = 60_000

  test('stops the watch; the next request waits for its first word and is served', async () => {
    const clock = new ManualClock()
    const { orders, resolver } = client({ clock, idleMs })
    const [before, after] = [instanceAt(await ok()), instanceAt(await ok())]
    resolver.snapshot([before])
    expect(await statusOf(orders)).toBe(200)
    await clock.advance(2 * idleMs)
    expect(orders.inspect()).toMatchObject({ freshness: 'idle', endpoints: [{ key: before.key }] })
    expect(resolver.watching).toBe(0)
    const [first, second] = [statusOf(orders), statusOf(orders)]
    await clock.advance(0)
    expect(resolver.watching).toBe(1)
    expect(orders.inspect()).toMatchObject({ freshness: 'fresh', endpoints: [{ requests: 1 }] })
    resolver.snapshot([after])
    expect(await Promise.all([first, second])).toEqual([200, 200])
    expect(orders.inspect().endpoints).toMatchObject([{ key: after.key, requests: 2 }])
  })

  test('a first word of stale will do', async () => {
    const clock = new ManualClock()
    const { orders, resolver } = client({ clock, idleMs })
    resolver.snapshot([instanceAt(await ok())])
    expect(await statusOf(orders)).toBe(200)
    await clock.advance(2 * idleMs)
    const pending = statusOf(orders)
    resolver.stale(new Error('cut off'))
    expect(await pending).toBe(200)
    expect(orders.inspect()).toMatchObject({ freshness: 'stale', reason: 'cut off' })
  })

  test('ready() begins again, and waits', async () => {
    const clock = new ManualClock()
    const { orders, resolver } = client({ clock, idleMs })
    resolver.snapshot([])
    await orders.ready()
    await clock.advance(idleMs)
    let ready = false
    const waiting = orders.ready().then(() => (ready = true))
    await clock.advance(0)
    expect(ready).toBe(false)
    expect(resolver.watching).toBe(1)
    resolver.snapshot([])
    await waiting
    await orders.ready()
  })

  test('while a request waits the watch goes on, however short the idle time', async () => {
    const clock = new ManualClock()
    const { orders, resolver } = client({ clock, idleMs: 1000 })
    const pending = statusOf(orders)
    await clock.advance(10_000)
    resolver.snapshot([instanceAt(await ok())])
    expect(await pending).toBe(200)
  })

  test('closed while it is idle, it ends whatever waits', async () => {
    const clock = new ManualClock()
    const { orders, resolver } = client({ clock, idleMs })
    resolver.snapshot([instanceAt(await ok())])
    await orders.ready()
    await clock.advance(idleMs)
    const waiting = failureOf(orders.ready())
    await clock.advance(0)
    await orders.close()
    expect(await waiting).toMatchObject({ code: 'CLIENT_CLOSED' })
    expect(clock.pending).toBe(0)
    const idle = client({ clock, idleMs })
    idle.resolver.snapshot([])
    await idle.orders.ready()
    await clock.advance(idleMs)
    expect(idle.orders.inspect().freshness).toBe('idle')
    await idle.orders.close()
    expect(idle.orders.inspect().freshness).toBe('fresh')
    expect(await failureOf(idle.orders.request({ path: '/' }))).toMatchObject({ code: 'CLIENT_CLOSED' })
    expect(await failureOf(idle.orders.ready())).toMatchObject({ code: 'CLIENT_CLOSED' })
    expect(clock.pending).toBe(0)
  })

  test('there is no wait where it has not been idle', async () => {
    const { orders, resolver } = client({ idleMs: Infinity })
    resolver.snapshot([instanceAt(await ok())])
    await orders.ready()
    // Without a word more from discovery.
    for (let n = 0; n < 5; n++) expect(await statusOf(orders)).toBe(200)
  })
})

describe('what the registry asks of its clients', () => {
  const silent = (): Promise<string> => serve(() => undefined)

  test('its request timeout is that of the client, from the next request on', async () => {
    const { orders, resolver } = client()
    const instances = [instanceAt(await silent())]
    resolver.snapshot(instances, { policy: { requestTimeoutMs: 40 } })
    await orders.ready()
    expect(await failureOf(orders.request({ path: '/' }))).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: expect.stringContaining('has no response after 40 ms') as string,
    })
    const changed = new Promise<void>((resolve) => orders.onDiscovery(() => resolve()))
    resolver.snapshot(instances, { policy: { requestTimeoutMs: 60 } })
    await changed
    expect((await failureOf(orders.request({ path: '/' }))).message).toContain('after 60 ms')
    // Of one request the caller knows best.
    expect((await failureOf(orders.request({ path: '/', timeoutMs: 20 }))).message).toContain('after 20 ms')
  })

  test('a policy that goes leaves the default', async () => {
    const clock = new ManualClock()
    const { orders, resolver } = client({ clock })
    const instances = [instanceAt(await silent())]
    resolver.snapshot(instances, { policy: { requestTimeoutMs: 40 } })
    await orders.ready()
    const changed = new Promise<void>((resolve) => orders.onDiscovery(() => resolve()))
    resolver.snapshot(instances)
    await changed
    const pending = failureOf(orders.request({ path: '/' }))
    await until(() => orders.inspect().endpoints[0]?.inflight === 1)
    await clock.advance(29_999)
    expect(orders.inspect().endpoints[0]?.inflight).toBe(1)
    await clock.advance(1)
    expect((await pending).message).toContain('after 30000 ms')
  })

  test('what the client was told goes before it', async () => {
    const policy = { requestTimeoutMs: 5000, connectTimeoutMs: 10_000 }
    const late = client({ timeoutMs: 50 })
    late.resolver.snapshot([instanceAt(await silent())], { policy })
    await late.orders.ready()
    expect((await failureOf(late.orders.request({ path: '/' }))).message).toContain('after 50 ms')
    const unconnected = client({ connections: { connectTimeoutMs: 30 }, retry: false })
    unconnected.resolver.snapshot([instanceAt(`https://${await takeSilently()}`)], { policy })
    await unconnected.orders.ready()
    expect((await failureOf(unconnected.orders.request({ path: '/' }))).message).toContain('within 30 ms')
  })

  test('its connect timeout is that of each new connection, also to instances that are known', async () => {
    const { orders, resolver } = client({ retry: false })
    // Without an answer in TLS the connection is never made.
    const instances = [instanceAt(`https://${await takeSilently()}`)]
    resolver.snapshot(instances, { policy: { connectTimeoutMs: 40 } })
    await orders.ready()
    expect((await failureOf(orders.request({ path: '/' }))).message).toContain('within 40 ms')
    const changed = new Promise<void>((resolve) => orders.onDiscovery(() => resolve()))
    resolver.snapshot(instances, { policy: { connectTimeoutMs: 60 } })
    await changed
    expect((await failureOf(orders.request({ path: '/' }))).message).toContain('within 60 ms')
    expect(orders.inspect().endpoints).toMatchObject([{ requests: 2 }])
  })
})

describe('onDiscovery', () => {
  test('tells of sets and of trust, in order, until it is taken back', async () => {
    const { orders, resolver } = client()
    const heard: DiscoveryEvent[] = []
    const stop = orders.onDiscovery((event) => heard.push(event))
    const [a, b, c] = [1, 2, 3].map((port) => instanceAt(`http://10.0.0.1:${port}`)) as [
      ReturnType<typeof instanceAt>,
      ReturnType<typeof instanceAt>,
      ReturnType<typeof instanceAt>,
    ]
    resolver.stale(new Error('refused'))
    await until(() => heard.length === 1)
    resolver.snapshot([a, b])
    await until(() => heard.length === 2)
    resolver.snapshot([a, c], { suspect: SUSPECT })
    await until(() => heard.length === 3)
    resolver.stale(new Error('cut off'))
    resolver.stale(new Error('still cut off'))
    await until(() => orders.inspect().reason === 'still cut off')
    resolver.snapshot([a, c])
    await until(() => heard.length === 5)
    const keysOf = (instances: DiscoveryEvent['instances']): string =>
      instances.map(({ origin }) => origin.at(-1)).join('')
    expect(
      heard.map(({ freshness, reason, suspect, instances, retained, added, removed }) => [
        freshness,
        reason,
        suspect,
        ...[instances, retained, added, removed].map(keysOf),
      ]),
    ).toEqual([
      ['waiting', 'refused', undefined, '', '', '', ''],
      ['fresh', undefined, undefined, '12', '', '12', ''],
      ['fresh', undefined, SUSPECT, '13', '2', '3', ''],
      ['stale', 'cut off', SUSPECT, '13', '2', '', ''],
      ['fresh', undefined, undefined, '13', '', '', '2'],
    ])
    expect(heard.every(({ service }) => service === 'orders')).toBe(true)
    expect(Math.abs((heard[3]?.since ?? NaN) - Date.now())).toBeLessThan(5000)
    stop()
    resolver.snapshot([a])
    await until(() => orders.inspect().endpoints.length === 1)
    expect(heard).toHaveLength(5)
  })

  test('a listener that throws affects neither requests nor other listeners', async () => {
    const { orders, resolver, logged } = client()
    const heard: string[] = []
    orders.onDiscovery(() => {
      throw new Error('off by one')
    })
    orders.onDiscovery(({ freshness }) => heard.push(freshness))
    resolver.snapshot([instanceAt(await ok())])
    expect(await statusOf(orders)).toBe(200)
    resolver.stale(new Error('cut off'))
    await until(() => heard.length === 2)
    resolver.snapshot([instanceAt(await ok())])
    await until(() => heard.length === 3)
    expect(await statusOf(orders)).toBe(200)
    expect(logged.filter((line) => line.includes('a listener of onDiscovery threw'))).toHaveLength(3)
  })
})

describe('a start without Consul', () => {
  test('is served from disk, says so, and Consul has the last word when it is back', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-'))
    afterwards(() => rm(directory, { recursive: true }))
    const agent = await FakeConsul.start()
    afterwards(() => agent.close())
    const door = new Door(agent.address)
    await door.open()
    const entryOf = (origin: string): object =>
      healthEntry(Number(new URL(origin).port), { service: { Address: '127.0.0.1' } })
    const [old, current] = [await ok(), await ok()]
    agent.serve('orders', [entryOf(old)])
    const options = { consul: { address: door.address }, resolver: undefined, snapshot: { directory } }

    const first = client(options)
    expect(await statusOf(first.orders)).toBe(200)
    await expect.poll(() => readdir(directory)).toEqual([expect.stringMatching(/^orders-[\da-f]{16}\.json$/)])
    await first.orders.close()
    await door.close()
    const closedAt = Date.now()

    const { orders, logged } = client(options)
    const heard: DiscoveryEvent[] = []
    orders.onDiscovery((event) => heard.push(event))
    expect(await statusOf(orders)).toBe(200)
    await until(() => orders.inspect().reason !== undefined)
    const { savedAt = NaN, ...inspection } = orders.inspect()
    expect(inspection).toMatchObject({
      freshness: 'disk',
      reason: expect.stringContaining('ECONNREFUSED') as string,
      endpoints: [{ origin: old, requests: 1 }],
    })
    expect(savedAt).toBeLessThanOrEqual(closedAt)
    expect(savedAt).toBeGreaterThan(closedAt - 60_000)
    expect(heard).toMatchObject([
      { freshness: 'disk', since: savedAt, instances: [{ origin: old }], added: [{ origin: old }] },
      {
        freshness: 'disk',
        since: savedAt,
        reason: expect.stringContaining('ECONNREFUSED') as string,
        added: [],
      },
    ])
    expect(logged.filter((line) => line.includes('serving the instances that were last saved'))).toHaveLength(
      1,
    )

    agent.serve('orders', [entryOf(current)])
    await door.open()
    await until(() => orders.inspect().freshness === 'fresh', 10_000)
    expect(orders.inspect()).toMatchObject({
      savedAt: undefined,
      endpoints: [{ origin: current }],
      retainedEndpoints: [],
    })
    expect(heard.at(-1)).toMatchObject({
      freshness: 'fresh',
      added: [{ origin: current }],
      removed: [{ origin: old }],
    })
    expect(await statusOf(orders)).toBe(200)
    // And that is what the next start would have. A client that closes waits for its file a second, and no longer.
    const [file = ''] = (await readdir(directory)).filter((name) => name.endsWith('.json'))
    await expect.poll(() => readFile(join(directory, file), 'utf8')).toContain(new URL(current).port)
    await orders.close()
    await door.close()
    const next = client(options)
    expect(await statusOf(next.orders)).toBe(200)
    expect(next.orders.inspect()).toMatchObject({ freshness: 'disk', endpoints: [{ origin: current }] })
  })

  test('clients that ask for something else have a set of their own, others the same', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-'))
    afterwards(() => rm(directory, { recursive: true }))
    const agent = await FakeConsul.start()
    afterwards(() => agent.close())
    agent.serve('orders', [healthEntry(1)])
    const start = async (consul: ClientOptions['consul']): Promise<void> => {
      const { orders } = client({
        consul: { address: agent.address, ...consul },
        resolver: undefined,
        snapshot: { directory },
      })
      await orders.ready()
      await orders.close()
    }
    // A client that closes waits a second for what is being written, and a disk may take longer.
    const sets = (): Promise<number> => readdir(directory).then((files) => files.length)
    await start({})
    await expect.poll(sets).toBe(1)
    for (const same of [{ waitMs: 5000 }, { token: 'secret' }, { consistency: 'stale' }] as const)
      await start(same)
    await start({ tags: ['v2'] })
    await expect.poll(sets).toBe(2)
    await start({ filter: 'Service.Meta.v == 2' })
    await expect.poll(sets).toBe(3)
    await start({ network: 'wan' })
    await expect.poll(sets).toBe(4)
  })
})
