import { Metadata, status as Status } from '@grpc/grpc-js'
import { once } from 'node:events'
import { constants, createServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, test, vi } from 'vitest'
import { balancers, type BalancerName } from '../balance/balancers.js'
import { Door, takeSilently } from '../client.test.support.js'
import { partsOf } from '../client.js'
import type { ClientOptions } from '../client-options.js'
import { withDeadline } from '../deadline/with-deadline.js'
import type { Outcome } from '../resilience/outcome.js'
import type { EndpointInspection } from '../observe/inspect.js'
import { until } from '../test-support/until.test.support.js'
import { instanceAt, ManualClock } from '../testing/index.js'
import type { OrdersServer } from './server.test.support.js'
import { failWith, list, server, servers, stage, staged, stubOf, type Stage } from './server.test.support.js'

function endpoint({ orders }: Stage, { address }: { readonly address: string }): EndpointInspection {
  const found = orders.inspect().endpoints.find(({ origin }) => origin.endsWith(address))
  if (found === undefined) throw new Error(`${address} is not listed`)
  return found
}

function inflight({ orders }: Stage): number {
  return orders.inspect().endpoints.reduce((sum, each) => sum + each.inflight, 0)
}

/** Until each of these is connected, so that a policy has all of them to choose from. */
async function warm({ stub }: Stage, all: readonly OrdersServer[]): Promise<void> {
  const seen = new Set<string>()
  while (seen.size < all.length) seen.add(await stub.get())
  for (const server of all) server.calls.length = 0
}

async function times(count: number, work: () => Promise<string>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let n = 0; n < count; n++) {
    const name = await work()
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

describe('each kind of call', () => {
  test('unary calls go where the policy sends them', async () => {
    const all = await servers('a', 'b', 'c')
    const made = await staged(all)
    await warm(made, all)
    expect(await times(30, () => made.stub.get())).toEqual({ a: 10, b: 10, c: 10 })
    expect(inflight(made)).toBe(0)
  })

  test('a stream of responses is one call, and in flight until its end', async () => {
    const [a] = await servers('a')
    const made = await staged([a])
    const call = made.stub.list('open')
    call.on('error', () => undefined)
    expect(await once(call, 'data')).toEqual(['a'])
    expect(endpoint(made, a)).toMatchObject({ inflight: 1, requests: 1 })
    call.cancel()
    await until(() => inflight(made) === 0)
    expect(endpoint(made, a)).toMatchObject({ failures: 0 })
    const whole: string[] = []
    for await (const text of made.stub.list()) whole.push(text as string)
    expect(whole).toEqual(['a'])
    await until(() => inflight(made) === 0)
  })

  test('a stream of requests goes to one endpoint', async () => {
    const all = await servers('a', 'b')
    const made = await staged(all)
    const answer = await made.stub.place('1', '2', '3')
    expect(answer).toMatch(/^[ab]: 1 2 3$/)
    expect(inflight(made)).toBe(0)
  })

  test('a stream both ways', async () => {
    const [a] = await servers('a')
    const made = await staged([a])
    const call = made.stub.chat()
    call.write('1')
    expect(await once(call, 'data')).toEqual(['a: 1'])
    call.write('2')
    expect(await once(call, 'data')).toEqual(['a: 2'])
    expect(inflight(made)).toBe(1)
    call.end()
    const [status] = (await once(call, 'status')) as [{ code: Status }]
    expect(status.code).toBe(Status.OK)
    await until(() => inflight(made) === 0)
  })

  test('latency is from what was sent to what came first', async () => {
    const [a] = await servers('a')
    const clock = new ManualClock()
    const made = await staged([a], { clock })
    const call = made.stub.chat()
    await until(() => a.calls.length === 1)
    // A client that takes its time is not a slow endpoint.
    await clock.advance(300)
    call.write('1')
    await once(call, 'data')
    expect(endpoint(made, a).latencyMs).toBeLessThan(30)
    call.end()
    call.resume()
    await until(() => inflight(made) === 0)
  })
})

describe('the policy of the client', () => {
  test('weights', async () => {
    const [a, b] = await servers('a', 'b')
    const made = stage({ balancer: 'weighted_round_robin' })
    made.resolver.snapshot([
      { ...a.instance, weight: 3 },
      { ...b.instance, weight: 1 },
    ])
    await warm(made, [a, b])
    expect(await times(40, () => made.stub.get())).toEqual({ a: 30, b: 10 })
  })

  test('keys, by metadata: a call waits for the connection to its own endpoint', async () => {
    const all = await servers('a', 'b', 'c')
    const made = await staged(all, { balancer: 'ring_hash', hashOn: [{ header: 'x-user' }] })
    const by = (user: string): Promise<string> => {
      const metadata = new Metadata()
      metadata.set('x-user', user)
      return made.stub.get('any', { metadata })
    }
    const users = Array.from({ length: 20 }, (_, n) => `user-${n}`)
    const first = await Promise.all(users.map(by))
    expect(new Set(first).size).toBe(3)
    for (let n = 0; n < 3; n++) expect(await Promise.all(users.map(by))).toEqual(first)
  })

  test('load: calls that begin in one turn see each other', async () => {
    const all = await servers('a', 'b')
    const made = await staged(all, { balancer: 'least_request' })
    await warm(made, all)
    for (const server of all) server.onGet = () => undefined
    const calls = Array.from({ length: 10 }, () => made.stub.get('any', { deadline: Date.now() + 60_000 }))
    for (const call of calls) call.catch(() => undefined)
    await until(() => all[0].calls.length + all[1].calls.length === 10)
    expect(all.map((server) => server.calls.length)).toEqual([5, 5])
  })

  test.each(Object.keys(balancers) as BalancerName[])(
    '%s has all endpoints take calls, and counts them',
    async (balancer) => {
      const all = await servers('a', 'b', 'c')
      const made = await staged(all, { balancer, hashOn: [{ header: 'x-user' }] })
      const seen = new Set<string>()
      let user = 0
      while (seen.size < all.length) {
        const names = await Promise.all(
          Array.from({ length: 8 }, () => {
            const metadata = new Metadata()
            metadata.set('x-user', `user-${user++}`)
            return made.stub.get('any', { metadata })
          }),
        )
        for (const name of names) seen.add(name)
      }
      expect(inflight(made)).toBe(0)
      const { endpoints } = made.orders.inspect()
      expect(endpoints.map(({ failures }) => failures)).toEqual([0, 0, 0])
      expect(endpoints.reduce((sum, { requests }) => sum + requests, 0)).toBe(user)
    },
  )

  test('priorities', async () => {
    const [a, b] = await servers('a', 'b')
    const made = stage()
    made.resolver.snapshot([a.instance, { ...b.instance, priority: 1 }])
    expect(await times(5, () => made.stub.get())).toEqual({ a: 5 })
    await a.kill()
    await vi.waitFor(async () => expect(await made.stub.get()).toBe('b'), 10_000)
  })
})

describe('health', () => {
  test.each<[keyof typeof Status, number, number]>([
    ['UNAVAILABLE', 1, 0],
    ['DEADLINE_EXCEEDED', 1, 0],
    ['INTERNAL', 1, 0],
    ['UNKNOWN', 1, 0],
    ['DATA_LOSS', 1, 0],
    ['RESOURCE_EXHAUSTED', 0, 0],
    ['NOT_FOUND', 0, 0],
    ['UNIMPLEMENTED', 0, 0],
    ['CANCELLED', 0, 0],
  ])('an answer of %s counts %d failures', async (name, failures) => {
    const [a] = await servers('a')
    a.onGet = failWith(Status[name])
    const made = await staged([a])
    await expect(made.stub.get()).rejects.toMatchObject({ code: Status[name] })
    expect(endpoint(made, a)).toMatchObject({ requests: 1, failures, inflight: 0 })
  })

  test('the classifier of the client is asked, as of trailers', async () => {
    const [a] = await servers('a')
    a.onGet = failWith(Status.NOT_FOUND, 'no such order')
    const classify = vi.fn(() => 'remote_failure' as const)
    const made = await staged([a], { classify })
    await expect(made.stub.get()).rejects.toMatchObject({ code: Status.NOT_FOUND })
    expect(classify).toHaveBeenCalledWith({
      kind: 'trailers',
      trailers: expect.objectContaining({ 'grpc-status': '5', 'grpc-message': 'no such order' }) as unknown,
    })
    expect(endpoint(made, a).failures).toBe(1)
  })

  test('a circuit opens by it, and calls go elsewhere', async () => {
    const [a, b] = await servers('a', 'b')
    a.onGet = failWith(Status.UNAVAILABLE)
    const breaker = { volumeThreshold: 2, resetMs: 60_000 }
    const made = await staged([a, b], { breaker, panicThreshold: 0 })
    await vi.waitFor(async () => {
      await made.stub.get().catch(() => undefined)
      expect(endpoint(made, a).availability).toMatchObject({ state: 'unavailable', reason: 'circuit_open' })
    }, 10_000)
    expect(await times(6, () => made.stub.get())).toEqual({ b: 6 })
  })

  test('a deadline that an endpoint lets pass is a failure of it', async () => {
    const [a] = await servers('a')
    const made = await staged([a])
    await warm(made, [a])
    a.onGet = () => undefined
    await expect(made.stub.get('any', { deadline: Date.now() + 200 })).rejects.toMatchObject({
      code: Status.DEADLINE_EXCEEDED,
    })
    expect(endpoint(made, a)).toMatchObject({ failures: 1, inflight: 0 })
  })

  test('a deadline within a stream, and a cancelled call, are not', async () => {
    const [a] = await servers('a')
    const made = await staged([a])
    const call = made.stub.makeServerStreamRequest(
      ...([
        '/orders.v1.Orders/List',
        (text: string) => Buffer.from(text),
        (bytes: Buffer) => bytes.toString(),
        'open',
      ] as const),
      new Metadata(),
      { deadline: Date.now() + 500 },
    )
    call.resume()
    const [error] = (await once(call, 'error')) as [{ code: Status }]
    expect(error.code).toBe(Status.DEADLINE_EXCEEDED)
    await until(() => inflight(made) === 0)
    expect(endpoint(made, a)).toMatchObject({ requests: 1, failures: 0 })
  })

  test('a call is not sent again by us, and by the retries of grpc-js elsewhere', async () => {
    const [a, b] = await servers('a', 'b')
    for (const server of [a, b]) server.onGet = failWith(Status.UNAVAILABLE)
    const plain = await staged([a, b])
    await warm({ ...plain, stub: plain.stub }, []).catch(() => undefined)
    await expect(plain.stub.get()).rejects.toMatchObject({ code: Status.UNAVAILABLE })
    expect(a.calls.length + b.calls.length).toBe(1)
    const retryPolicy = {
      ...{ maxAttempts: 2, initialBackoff: '0.01s', maxBackoff: '0.01s', backoffMultiplier: 1 },
      retryableStatusCodes: ['UNAVAILABLE'],
    }
    const retrying = stubOf(plain.orders, {
      'grpc.service_config': JSON.stringify({ methodConfig: [{ name: [{}], retryPolicy }] }),
    })
    a.calls.length = b.calls.length = 0
    await expect(retrying.get()).rejects.toMatchObject({ code: Status.UNAVAILABLE })
    expect([a.calls.length, b.calls.length]).toEqual([1, 1])
    retrying.close()
  })

  test('hedges of grpc-js go elsewhere, and the loser says nothing of its endpoint', async () => {
    const all = await servers('a', 'b')
    const [a, b] = all
    const made = await staged(all)
    await warm(made, all)
    const hedgingPolicy = { maxAttempts: 2, hedgingDelay: '0.02s', nonFatalStatusCodes: [] }
    const hedging = stubOf(made.orders, {
      'grpc.service_config': JSON.stringify({ methodConfig: [{ name: [{}], hedgingPolicy }] }),
    })
    await warm({ ...made, stub: hedging }, all)
    a.onGet = () => undefined
    expect(await times(4, () => hedging.get())).toEqual({ b: 4 })
    await until(() => inflight(made) === 0)
    expect(a.calls.length).toBeGreaterThan(0)
    expect([endpoint(made, a).failures, endpoint(made, b).failures]).toEqual([0, 0])
    hedging.close()
  })

  test.each([
    ['with the end of its connection announced, is no failure', true, 0],
    ['on a connection that goes on, is one', false, 1],
  ])('a stream that is refused %s', async (_what, goesAway, least) => {
    const refusing = createServer()
    const sessions = new Set<ServerHttp2Session>()
    refusing.on('session', (session) => sessions.add(session))
    refusing.on('stream', (stream) => {
      if (goesAway) stream.session?.goaway()
      // Its own reset comes back to it as an error.
      stream.on('error', () => undefined)
      stream.close(constants.NGHTTP2_REFUSED_STREAM)
    })
    refusing.listen(0, '127.0.0.1')
    await once(refusing, 'listening')
    const made = stage()
    made.resolver.snapshot([instanceAt(`http://127.0.0.1:${(refusing.address() as AddressInfo).port}`)])
    const deadline = Date.now() + 10_000
    await expect(made.stub.get('any', { deadline })).rejects.toMatchObject({
      details: 'Stream refused by server',
    })
    const [told] = made.orders.inspect().endpoints
    expect(told?.requests).toBeGreaterThan(0)
    expect(told?.failures).toBe(least && told?.requests)
    for (const session of sessions) session.destroy()
    refusing.close()
    await once(refusing, 'close')
  })
})

describe('pushback', () => {
  function pushingBack(ms: string, code = Status.UNAVAILABLE): OrdersServer['onGet'] {
    const metadata = new Metadata()
    metadata.set('grpc-retry-pushback-ms', ms)
    return (_call, answer) => answer({ code, details: 'later', metadata })
  }

  async function recorded(onGet: OrdersServer['onGet'], options: ClientOptions = {}): Promise<unknown> {
    const [a] = await servers('a')
    a.onGet = onGet
    const made = await staged([a], options)
    const [live] = partsOf(made.orders).cluster.endpoints
    if (live === undefined) throw new Error('there is no endpoint')
    const record = vi.spyOn(live, 'record')
    await expect(made.stub.get()).rejects.toThrow('later')
    const [, outcome, , details] = record.mock.lastCall ?? []
    return { outcome, pushbackMs: details?.pushbackMs, failures: live.failures }
  }

  test.each<[string, keyof typeof Status, string, number, number]>([
    ['1500', 'UNAVAILABLE', 'overloaded', 1500, 0],
    ['20', 'RESOURCE_EXHAUSTED', 'overloaded', 20, 0],
    // At once, never, and nothing at all.
    ['0', 'UNAVAILABLE', 'remote_failure', 0, 1],
    ['-1', 'UNAVAILABLE', 'remote_failure', 0, 1],
    ['soon', 'UNAVAILABLE', 'remote_failure', 0, 1],
    ['1500', 'INTERNAL', 'remote_failure', 0, 1],
    ['1500', 'NOT_FOUND', 'success', 0, 0],
  ])('of %s with %s is %s, %d ms', async (ms, code, outcome, pushbackMs, failures) => {
    expect(await recorded(pushingBack(ms, Status[code]))).toEqual({ outcome, pushbackMs, failures })
  })

  test('has its endpoint left alone for that time, at most as long as the client allows', async () => {
    const all = await servers('a', 'b')
    const made = await staged(all, { pushback: { maxMs: 5000 }, panicThreshold: 0 })
    await warm(made, all)
    all[0].onGet = pushingBack('60000')
    await Promise.allSettled(Array.from({ length: 2 }, () => made.stub.get()))
    const { availability, failures } = endpoint(made, all[0])
    expect(availability).toMatchObject({ state: 'unavailable', reason: 'pushback' })
    expect(failures).toBe(0)
    expect(await times(10, () => made.stub.get())).toEqual({ b: 10 })
  })

  test('does not hold where the classifier of the client says that it has failed', async () => {
    const classify = (): Outcome => 'remote_failure'
    expect(await recorded(pushingBack('1500'), { classify })).toEqual({
      outcome: 'remote_failure',
      pushbackMs: 0,
      failures: 1,
    })
  })
})

describe('the deadline of the work around a call', () => {
  /** How much time the server was told, in milliseconds. */
  async function told(call: (made: Stage, a: OrdersServer) => Promise<unknown>): Promise<number> {
    const [a] = await servers('a')
    let deadline = Number.NaN
    a.onGet = (incoming, answer) => {
      deadline = Number(incoming.getDeadline())
      answer(null, 'a')
    }
    const made = await staged([a])
    await call(made, a)
    return deadline - Date.now()
  }

  test('is told to the server', async () => {
    const leftMs = await told(({ stub }) => withDeadline(5000, () => stub.get()))
    expect(leftMs).toBeGreaterThan(0)
    expect(leftMs).toBeLessThanOrEqual(5000)
  })

  test('is none where there is none', async () => {
    expect(await told(({ stub }) => stub.get())).toBe(Infinity)
  })

  test('gives way to an earlier one of the call, and not to a later one', async () => {
    expect(
      await told(({ stub }) => withDeadline(60_000, () => stub.get('any', { deadline: Date.now() + 5000 }))),
    ).toBeLessThanOrEqual(5000)
    expect(
      await told(({ stub }) => withDeadline(5000, () => stub.get('any', { deadline: Date.now() + 60_000 }))),
    ).toBeLessThanOrEqual(5000)
  })

  test('that is over sends nothing', async () => {
    const [a] = await servers('a')
    const made = await staged([a])
    await expect(withDeadline(0, () => made.stub.get())).rejects.toMatchObject({
      code: Status.DEADLINE_EXCEEDED,
    })
    expect(a.calls).toEqual([])
    expect(endpoint(made, a)).toMatchObject({ failures: 0, inflight: 0 })
  })

  test('too short for an endpoint that takes its time says nothing of it', async () => {
    const [a] = await servers('a')
    const timers = new Set<NodeJS.Timeout>()
    a.onGet = (_call, answer) => timers.add(setTimeout(() => answer(null, 'a'), 100))
    const made = await staged([a])
    await Promise.all(Array.from({ length: 10 }, () => made.stub.get()))
    for (let n = 0; n < 5; n++)
      await expect(made.stub.get('any', { deadline: Date.now() + 20 })).rejects.toMatchObject({
        code: Status.DEADLINE_EXCEEDED,
      })
    expect(endpoint(made, a)).toMatchObject({ requests: 15, failures: 0 })
    // Silence for longer than it takes is another matter.
    a.onGet = () => undefined
    await expect(made.stub.get('any', { deadline: Date.now() + 400 })).rejects.toThrow()
    expect(endpoint(made, a)).toMatchObject({ failures: 1, inflight: 0 })
    for (const timer of timers) clearTimeout(timer)
  })
})

test('that a deadline is over is for an endpoint to say only where it had the call for long enough', async () => {
  const [a] = await servers('a')
  a.onGet = (_call, answer) => void setTimeout(answer, 100, null, 'a')
  const made = await staged([a])
  await Promise.all(Array.from({ length: 10 }, () => made.stub.get()))
  a.onGet = failWith(Status.DEADLINE_EXCEEDED)
  await expect(made.stub.get('any', { deadline: Date.now() + 5000 })).rejects.toMatchObject({
    code: Status.DEADLINE_EXCEEDED,
  })
  expect(endpoint(made, a)).toMatchObject({ requests: 11, failures: 0 })
  // A deadline that is no caller's is one of its own.
  await expect(made.stub.get()).rejects.toMatchObject({ code: Status.DEADLINE_EXCEEDED })
  expect(endpoint(made, a)).toMatchObject({ requests: 12, failures: 1 })
})

describe('servers come and go', () => {
  test('one that dies costs the calls that it had, and no others', async () => {
    const all = await servers('a', 'b')
    const made = await staged(all)
    await warm(made, all)
    await all[0].kill()
    await until(() => endpoint(made, all[0]).inflight === 0)
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => made.stub.get()))
    // What was written as the connection broke off is not safe to be sent again.
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(19)
    expect(await times(10, () => made.stub.get())).toEqual({ b: 10 })
    await until(() => endpoint(made, all[0]).availability.reason === 'connection_failed')
    await all[0].start()
    await until(() => endpoint(made, all[0]).availability.state === 'available')
    expect(await times(10, () => made.stub.get())).toEqual({ a: 5, b: 5 })
  })

  test('its calls on their way are failures of it', async () => {
    const [a] = await servers('a')
    // What it says as it shuts down does not get through.
    const door = new Door(a.instance.origin)
    await door.open()
    const classify = vi.fn(() => undefined)
    const made = stage({ classify })
    made.resolver.snapshot([instanceAt(door.address)])
    const call = made.stub.list('open')
    const failed = once(call, 'error')
    await once(call, 'data')
    await door.close()
    expect((await failed)[0]).toMatchObject({ code: Status.UNAVAILABLE })
    await until(() => inflight(made) === 0)
    expect(made.orders.inspect().endpoints[0]).toMatchObject({ requests: 1, failures: 1 })
    expect(classify).toHaveBeenCalledWith({
      kind: 'error',
      error: expect.objectContaining({ code: 'UNAVAILABLE' }) as unknown,
    })
  })

  test('the keys of one that dies go to others, and those of others stay', async () => {
    const all = await servers('a', 'b', 'c')
    const made = await staged(all, { balancer: 'ring_hash', hashOn: [{ header: 'x-user' }] })
    const by = (user: string): Promise<string> => {
      const metadata = new Metadata()
      metadata.set('x-user', user)
      return made.stub.get('any', { metadata })
    }
    const users = Array.from({ length: 20 }, (_, n) => `user-${n}`)
    const before = await Promise.all(users.map(by))
    await all[0].kill()
    await vi.waitFor(async () => {
      const after = await Promise.all(users.map(by))
      expect(after).not.toContain('a')
      expect(after.filter((_, n) => before[n] !== 'a')).toEqual(before.filter((name) => name !== 'a'))
    }, 10_000)
  })

  test('a new one gets its share, and one that is drained loses no call', async () => {
    const all = await servers('a', 'b', 'c')
    const [a, b, c] = all
    const made = await staged([a, b])
    await warm(made, [a, b])
    const stream = made.stub.chat()
    stream.write('hello')
    const [greeting] = (await once(stream, 'data')) as [string]
    const host = greeting.startsWith('a') ? a : b
    const left = host === a ? b : a
    const load = { going: true, failed: 0 }
    const loaded = (async () => {
      while (load.going) await made.stub.get().catch(() => load.failed++)
    })()
    // As a rolling deployment does it: the new one is listed, the old one is not any more, and drains.
    list(made, [left, c])
    await until(() => c.calls.length > 5)
    host.calls.length = 0
    let drained = false
    const draining = host.drain().then(() => (drained = true))
    for (let n = 0; n < 20; n++) await made.stub.get()
    stream.write('still there?')
    expect(await once(stream, 'data')).toEqual([`${host.name}: still there?`])
    expect(drained).toBe(false)
    stream.end()
    stream.resume()
    await draining
    load.going = false
    await loaded
    expect(load.failed).toBe(0)
    expect(host.calls).toEqual([])
  })

  test('all of them go, and others come', async () => {
    const [a] = await servers('a')
    const made = await staged([a])
    expect(await made.stub.get()).toBe('a')
    await a.kill()
    list(made, [])
    await vi.waitFor(
      () => expect(made.stub.get()).rejects.toMatchObject({ code: Status.UNAVAILABLE }),
      10_000,
    )
    const patient = new Metadata({ waitForReady: true })
    const waiting = made.stub.get('any', { metadata: patient, deadline: Date.now() + 15_000 })
    const [b] = await servers('b')
    list(made, [b])
    expect(await waiting).toBe('b')
    expect(await made.stub.get()).toBe('b')
    expect(inflight(made)).toBe(0)
  })

  test('one that takes one stream at a time gets them in turn', async () => {
    const a = await server('a', { 'grpc.max_concurrent_streams': 1 })
    let at = 0
    let most = 0
    a.onGet = (_call, answer) => {
      most = Math.max(most, ++at)
      setImmediate(() => {
        at--
        answer(null, 'a')
      })
    }
    const made = await staged([a])
    const names = await Promise.all(Array.from({ length: 20 }, () => made.stub.get()))
    expect(names).toEqual(Array.from({ length: 20 }, () => 'a'))
    expect(most).toBe(1)
    expect(endpoint(made, a)).toMatchObject({ requests: 20, failures: 0, inflight: 0 })
  })

  test('none that can be connected to fails at once, by name; waiting for one goes on', async () => {
    const [a] = await servers('a')
    await a.kill()
    const made = await staged([a])
    await expect(made.stub.get()).rejects.toMatchObject({
      code: Status.UNAVAILABLE,
      details: expect.stringMatching(
        /UNAVAILABLE: no endpoint of orders can be connected to: .*ECONNREFUSED/,
      ) as unknown,
    })
    const patient = new Metadata({ waitForReady: true })
    const waiting = made.stub.get('any', { metadata: patient, deadline: Date.now() + 15_000 })
    await a.start()
    expect(await waiting).toBe('a')
  })

  test('an address that says nothing is given up in connectTimeoutMs', async () => {
    const [a] = await servers('a')
    const silent = instanceAt(`http://${await takeSilently()}`)
    const made = stage({ connections: { connectTimeoutMs: 100 } })
    made.resolver.snapshot([silent])
    await expect(made.stub.get()).rejects.toMatchObject({
      details: expect.stringMatching(/no connection in time/) as unknown,
    })
    made.resolver.snapshot([silent, a.instance])
    await vi.waitFor(async () => expect(await made.stub.get()).toBe('a'), 10_000)
  })
})

describe('discovery', () => {
  test('is waited for', async () => {
    const [a] = await servers('a')
    const made = stage()
    const answer = made.stub.get()
    list(made, [a])
    expect(await answer).toBe('a')
  })

  test('is waited for no longer than timeoutMs', async () => {
    const made = stage({ timeoutMs: 50 })
    await expect(made.stub.get()).rejects.toMatchObject({
      code: Status.UNAVAILABLE,
      details: expect.stringMatching(/NO_ENDPOINTS: orders has no endpoint yet/) as unknown,
    })
  })

  test('that knows nothing is told', async () => {
    const made = await staged([])
    await expect(made.stub.get()).rejects.toMatchObject({
      details: expect.stringMatching(/^NO_ENDPOINTS: orders has no endpoint/) as unknown,
    })
  })

  test('what a balancer throws costs its call', async () => {
    const [a] = await servers('a')
    const made = await staged([a], {
      balancer: () => ({
        pick: () => {
          throw new Error('mine')
        },
      }),
    })
    await expect(made.stub.get()).rejects.toMatchObject({ code: Status.INTERNAL, details: 'mine' })
  })
})

describe('the end', () => {
  test('of the client waits for calls within its limit, and ends them then', async () => {
    const [a] = await servers('a')
    const made = await staged([a])
    const call = made.stub.list('open')
    const failed = once(call, 'error')
    await once(call, 'data')
    await made.orders.close({ timeoutMs: 100 })
    expect((await failed)[0]).toMatchObject({
      code: Status.UNAVAILABLE,
      details: expect.stringMatching(/the client of orders is closed/) as unknown,
    })
    await expect(made.stub.get()).rejects.toMatchObject({
      code: Status.UNAVAILABLE,
      details: expect.stringMatching(/CLIENT_CLOSED/) as unknown,
    })
  })

  test('of the client ends what waits for an endpoint, waitForReady or not', async () => {
    const [a] = await servers('a')
    await a.kill()
    const made = await staged([a])
    const metadata = new Metadata({ waitForReady: true })
    const waiting = made.stub.get('any', { metadata, deadline: Date.now() + 60_000 })
    const failed = expect(waiting).rejects.toMatchObject({
      code: Status.UNAVAILABLE,
      details: expect.stringMatching(/^CLIENT_CLOSED/) as unknown,
    })
    await until(() => endpoint(made, a).availability.reason === 'connection_failed')
    await made.orders.close({ timeoutMs: 0 })
    await failed
  })

  test('of the channel leaves the client as it was', async () => {
    const [a, b] = await servers('a', 'b')
    await b.kill()
    const made = await staged([a, b])
    await until(() => endpoint(made, b).availability.state === 'available')
    await vi.waitFor(async () => {
      await made.stub.get()
      expect(endpoint(made, b).availability.reason).toBe('connection_failed')
    }, 10_000)
    made.stub.close()
    expect(endpoint(made, b).availability.state).toBe('available')
    expect(inflight(made)).toBe(0)
  })
})
