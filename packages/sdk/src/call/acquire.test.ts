import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, test, vi } from 'vitest'
import { afterwards } from '../client.test.support.js'
import { createClient, partsOf } from '../client.js'
import type { Client } from '../client-interface.js'
import type { ClientOptions } from '../client-options.js'
import type { Balancer } from '../balance/picker.js'
import { withDeadline } from '../deadline/with-deadline.js'
import type { Outcome } from '../resilience/outcome.js'
import { until } from '../test-support/until.test.support.js'
import { FakeResolver, instanceAt, ManualClock } from '../testing/index.js'
import type { AcquireOptions } from './acquire.js'

const A = instanceAt('http://10.0.0.1:1')
const B = instanceAt('http://10.0.0.1:2')

/** In the order of the set, whatever has been tried. */
const inOrder: Balancer = (endpoints) => ({
  pick: ({ tried }) => endpoints.find((each) => each.available && !tried.includes(each)),
})

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

interface Rig {
  readonly orders: Client
  readonly clock: ManualClock
  readonly resolver: FakeResolver
}

function rig(options: ClientOptions = {}): Rig {
  const clock = new ManualClock()
  const resolver = new FakeResolver()
  const orders = createClient('orders', {
    ...{ resolver, clock, logger: silent, balancer: inOrder, panicThreshold: 0, idleMs: Infinity },
    ...options,
  })
  afterwards(async () => {
    const closed = orders.close({ timeoutMs: 0 })
    await clock.advance(0)
    await closed
  })
  return { orders, clock, resolver }
}

async function listed(options: ClientOptions = {}, instances = [A, B]): Promise<Rig> {
  const made = rig(options)
  made.resolver.snapshot(instances)
  await made.orders.ready()
  return made
}

function inflight({ orders }: Rig): readonly number[] {
  return orders.inspect().endpoints.map((endpoint) => endpoint.inflight)
}

/** An echo server of no protocol in particular; returns where it listens. */
async function echo(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterwards(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('a lease', () => {
  test('leads a raw socket to an endpoint, and counts as a request in flight until it is released', async () => {
    const made = await listed({}, [instanceAt(await echo())])
    const { orders, clock } = made
    const lease = await orders.acquire()
    expect(inflight(made)).toEqual([1])
    const socket = connect(lease.port, lease.hostname)
    socket.write('ping')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toBe('ping')
    await clock.advance(5)
    lease.firstAnswer()
    await clock.advance(100)
    lease.release()
    socket.destroy()
    expect(orders.inspect().endpoints).toMatchObject([{ inflight: 0, requests: 1, failures: 0 }])
    // Of a clock that leaps, a part may be time that the loop was held up.
    expect(orders.inspect().endpoints[0]?.latencyMs).toBeCloseTo(5, 0)
    lease.release('local_failure')
    lease[Symbol.dispose]()
    expect(orders.inspect().endpoints).toMatchObject([{ inflight: 0, failures: 0 }])
  })

  test('says what net.connect takes, of IPv6 too, and what discovery knows', async () => {
    const instance = instanceAt('https://[::1]:8443', { tags: ['blue'], meta: { v: '2' } })
    const { orders } = await listed({}, [instance])
    const lease = await orders.acquire()
    expect(lease).toMatchObject({
      ...{ instance, origin: 'https://[::1]:8443', address: '[::1]:8443', hostname: '::1', port: 8443 },
    })
  })

  test.each<[string, Outcome | Error | undefined, number]>([
    ['success by default', undefined, 0],
    ['as told', 'remote_failure', 1],
    ['as overloaded', 'overloaded', 0],
    ['by an error of the endpoint', Object.assign(new Error('read'), { code: 'ECONNRESET' }), 1],
    ['by an abort, which is the caller’s', new DOMException('gone', 'AbortError'), 0],
    ['by a machine without descriptors', Object.assign(new Error('connect'), { code: 'EMFILE' }), 0],
  ])('ends %s', async (_name, outcome, failures) => {
    const { orders } = await listed()
    ;(await orders.acquire()).release(outcome)
    expect(orders.inspect().endpoints[0]).toMatchObject({ inflight: 0, failures })
  })

  test('an error goes to the classifier of the client', async () => {
    const classify = vi.fn(() => 'success' as const)
    const { orders } = await listed({ classify })
    const duplicate = Object.assign(new Error('duplicate key'), { code: '23505' })
    ;(await orders.acquire()).release(duplicate)
    expect(classify).toHaveBeenCalledWith({ kind: 'error', error: duplicate })
    expect(orders.inspect().endpoints[0]).toMatchObject({ failures: 0 })
  })

  test('is held on after an outcome that is none', async () => {
    const made = await listed()
    const lease = await made.orders.acquire()
    expect(() => lease.release('fine' as Outcome)).toThrow(
      "outcome of release is 'fine': it must be success, remote_failure, local_failure, overloaded or ignored, or an Error",
    )
    expect(inflight(made)).toEqual([1, 0])
  })

  test('hands on how long the endpoint asks to be left alone', async () => {
    const { orders } = await listed({}, [A])
    const [live] = partsOf(orders).cluster.endpoints
    if (live === undefined) throw new Error('there is no endpoint')
    const record = vi.spyOn(live, 'record')
    const lease = await orders.acquire()
    lease.release('overloaded', { pushbackMs: 1500 })
    expect(record.mock.lastCall?.slice(1)).toEqual([
      'overloaded',
      expect.any(Number),
      { statusCode: 0, pushbackMs: 1500 },
    ])
  })

  test.each<[Outcome, object, string]>([
    ['overloaded', { pushbackMs: -1 }, 'pushbackMs of release is -1: it must be milliseconds, 0 or more'],
    ['overloaded', { pushbackMs: '5' }, "pushbackMs of release is '5': it must be milliseconds, 0 or more"],
    [
      'success',
      { pushbackMs: 5 },
      "outcome of release is 'success': it must be overloaded where there is a pushbackMs",
    ],
    [
      'overloaded',
      { pushback: 5 },
      'release: unknown option pushback: remove it or check its spelling (did you mean pushbackMs?)',
    ],
  ])('released as %s, %j is refused, and held on', async (outcome, details, message) => {
    const made = await listed({}, [A])
    const lease = await made.orders.acquire()
    expect(() => lease.release(outcome, details)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message }),
    )
    expect(inflight(made)).toEqual([1])
    lease.release()
    expect(inflight(made)).toEqual([0])
  })

  test('released without a first answer is no sample of latency', async () => {
    const { orders, clock } = await listed()
    const before = orders.inspect().endpoints[0]?.latencyMs
    const lease = await orders.acquire()
    await clock.advance(7)
    lease.release()
    expect(orders.inspect().endpoints[0]?.latencyMs).toBe(before)
  })
})

describe('the pick', () => {
  test('is that of the policy, by the key', async () => {
    const { orders } = await listed({ balancer: 'ring_hash' })
    const got = new Set<string>()
    for (let n = 0; n < 10; n++) {
      const lease = await orders.acquire({ key: 'user-7' })
      got.add(lease.address)
      lease.release()
    }
    expect(got.size).toBe(1)
    const spread = new Set<string>()
    for (let n = 0; n < 20; n++) spread.add((await orders.acquire({ key: `user-${n}` })).address)
    expect(spread.size).toBe(2)
  })

  test('has no key where only a path is hashed, and is not one endpoint for all', async () => {
    const { orders } = await listed({ balancer: 'ring_hash', hashOn: [{ path: true }, { pathname: true }] })
    const spread = new Set<string>()
    for (let n = 0; n < 40; n++) spread.add((await orders.acquire()).address)
    expect(spread.size).toBe(2)
  })

  test('goes by load', async () => {
    const made = await listed({ balancer: 'least_request' })
    const leases = [await made.orders.acquire(), await made.orders.acquire()]
    expect(inflight(made)).toEqual([1, 1])
    for (const lease of leases) lease.release()
  })

  test('leaves out what is excluded, also where nothing else is left', async () => {
    const { orders } = await listed()
    const first = await orders.acquire()
    const second = await orders.acquire({ exclude: [first.address] })
    expect([first.address, second.address]).toEqual(['10.0.0.1:1', '10.0.0.1:2'])
    await expect(orders.acquire({ exclude: [first.address, second.address] })).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      message: 'orders has no other endpoint: all 2 are excluded (option exclude of acquire)',
    })
    // One that has left meanwhile.
    expect((await orders.acquire({ exclude: ['10.0.0.9:9'] })).address).toBe('10.0.0.1:1')
  })

  test('by a balancer that does not look at what is tried gives nothing that is excluded', async () => {
    const { orders } = await listed({ balancer: (endpoints) => ({ pick: () => endpoints[0] }) })
    await expect(orders.acquire({ exclude: ['10.0.0.1:1'] })).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      message: 'the balancer of orders picked none of 1 available endpoints (option balancer)',
    })
  })

  test('that is no endpoint is told', async () => {
    const { orders } = await listed({ balancer: () => ({ pick: () => 'a' as never }) })
    await expect(orders.acquire()).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})

describe('circuits', () => {
  const breaker = { volumeThreshold: 1, errorThresholdPercentage: 1, resetMs: 20 }

  function stateOf({ orders }: Rig): string | undefined {
    return orders.inspect().endpoints[0]?.availability.state
  }

  test('open by failures of leases, and the leave of a half-open probe is given back', async () => {
    const made = await listed({ breaker }, [A])
    const { orders } = made
    ;(await orders.acquire()).release(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))
    await until(() => stateOf(made) === 'unavailable')
    // The jitter of resetMs may lengthen it.
    await made.clock.advance(10 * breaker.resetMs)
    expect(stateOf(made)).toBe('probing')
    const probe = await orders.acquire()
    await expect(orders.acquire()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(
        /^all 1 endpoints of orders are unavailable: circuit_open \(1\)/,
      ) as unknown,
    })
    probe[Symbol.dispose]()
    const another = await orders.acquire()
    await expect(orders.acquire()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    another.release()
    await until(() => stateOf(made) === 'available')
  })

  test('a balancer that does not look at them is asked for another endpoint', async () => {
    const blind: Balancer = (endpoints) => ({
      pick: ({ tried }) => endpoints.find((endpoint) => !tried.includes(endpoint)),
    })
    const made = await listed({ breaker: { ...breaker, resetMs: 60_000 }, balancer: blind })
    const { orders } = made
    ;(await orders.acquire()).release('local_failure')
    await until(() => stateOf(made) === 'unavailable')
    expect((await orders.acquire()).address).toBe('10.0.0.1:2')
    await expect(orders.acquire({ exclude: ['10.0.0.1:2'] })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('what is retained', () => {
  const suspect = 'the agent knows no leader'

  async function retaining(): Promise<Rig> {
    const made = await listed()
    made.resolver.snapshot([], { suspect })
    await vi.waitFor(() => expect(made.orders.inspect().retainedEndpoints).toHaveLength(2))
    return made
  }

  test('is for what may be done twice only', async () => {
    const { orders } = await retaining()
    await expect(orders.acquire()).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      message: expect.stringMatching(
        /^orders has no endpoint for acquire\(\): all 2 are retained /,
      ) as unknown,
    })
    const lease = await orders.acquire({ idempotent: true })
    lease.release()
    const confirmed = orders.inspect().retainedEndpoints.filter((each) => each.confirmed)
    expect(confirmed.map(({ origin }) => origin)).toEqual([lease.origin])
  })

  test.each([
    ['a connection that is refused', { code: 'ECONNREFUSED' }, 1],
    ['a connection that timed out', { syscall: 'connect', code: 'ETIMEDOUT' }, 1],
    ['one that broke off', { syscall: 'read', code: 'ECONNRESET' }, 2],
  ])('after %s', async (_name, about, left) => {
    const { orders } = await retaining()
    const lease = await orders.acquire({ idempotent: true })
    lease.release(Object.assign(new Error('no'), about))
    await vi.waitFor(() => expect(orders.inspect().retainedEndpoints).toHaveLength(left))
  })

  test('a lease outlives its endpoint', async () => {
    const made = await listed({ removal: false })
    const lease = await made.orders.acquire()
    made.resolver.snapshot([B])
    await vi.waitFor(() => expect(made.orders.inspect().endpoints).toHaveLength(1))
    lease.firstAnswer()
    lease.release('remote_failure')
    await made.orders.close()
  })
})

describe('the wait for discovery', () => {
  test('ends with its first word', async () => {
    const { orders, resolver } = rig()
    const acquired = orders.acquire()
    resolver.snapshot([A])
    expect((await acquired).address).toBe('10.0.0.1:1')
  })

  test.each([
    ['the time of the client', { timeoutMs: 700 }, {}, 700],
    ['its own time', {}, { timeoutMs: 300 }, 300],
  ])('takes %s at most', async (_name, options: ClientOptions, own: AcquireOptions, limit) => {
    const { orders, clock } = rig(options)
    const acquired = orders.acquire(own)
    const failed = vi.fn()
    acquired.catch(failed)
    await clock.advance(limit - 1)
    expect(failed).not.toHaveBeenCalled()
    await clock.advance(1)
    await expect(acquired).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      message: 'orders has no endpoint yet: a fake resolver has not answered yet',
    })
    expect(clock.pending).toBe(0)
  })

  test('ends with the signal, which has no listener of ours then', async () => {
    const { orders, clock } = rig()
    const controller = new AbortController()
    const acquired = orders.acquire({ signal: controller.signal })
    const remove = vi.spyOn(controller.signal, 'removeEventListener')
    controller.abort(new Error('enough'))
    await expect(acquired).rejects.toThrow('enough')
    expect(remove).toHaveBeenCalledOnce()
    expect(clock.pending).toBe(0)
    await expect(orders.acquire({ signal: controller.signal })).rejects.toThrow('enough')
  })

  test('ends with the client', async () => {
    const { orders } = rig()
    const acquired = orders.acquire()
    void orders.close()
    await expect(acquired).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    await expect(orders.acquire()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  test('an empty answer has its own words', async () => {
    const { orders } = await listed({}, [])
    await expect(orders.acquire()).rejects.toMatchObject({ code: 'NO_ENDPOINTS' })
  })
})

describe('close', () => {
  test('waits for leases, and gives no new ones', async () => {
    const { orders } = await listed()
    const lease = await orders.acquire()
    const closed = vi.fn()
    const closing = orders.close().then(closed)
    await expect(orders.acquire()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    expect(closed).not.toHaveBeenCalled()
    lease.release()
    await closing
    expect(lease.signal.aborted).toBe(false)
  })

  test('ends them at its limit, as no failure of the endpoint', async () => {
    const made = await listed()
    const { orders, clock } = made
    const lease = await orders.acquire()
    const closing = orders.close({ timeoutMs: 1000 })
    await clock.advance(999)
    expect(lease.signal.aborted).toBe(false)
    await clock.advance(1)
    await closing
    expect(lease.signal.reason).toMatchObject({ code: 'CLIENT_CLOSED' })
    expect(inflight(made)).toEqual([0, 0])
    lease.release('local_failure')
    expect(orders.inspect().endpoints[0]).toMatchObject({ failures: 0 })
  })
})

test.each<[object, string]>([
  [{ hashKey: 'a' }, 'acquire: unknown option hashKey: remove it or check its spelling'],
  [{ key: 7 }, 'key of acquire is 7: it must be text'],
  [{ timeoutMs: 0 }, 'timeoutMs of acquire is 0: it must be milliseconds above 0, or Infinity'],
  [{ signal: {} }, 'signal of acquire is {}: it must be an AbortSignal'],
  [{ idempotent: 1 }, 'idempotent of acquire is 1: it must be true or false'],
  [
    { exclude: '10.0.0.1:1' },
    "exclude of acquire is '10.0.0.1:1': it must be an array of addresses as leases have them, such as ['10.0.0.7:8080']",
  ],
  ...['http://10.0.0.1:1', '10.0.0.1', '10.0.0.1:1/', '::1:80', '10.0.0.1:', ' 10.0.0.1:1', ''].map(
    (wrong): [object, string] => [
      { exclude: ['[::1]:80', wrong] },
      `exclude[1] of acquire is '${wrong}': it must be the address of a lease: host:port without a scheme, IPv6 in brackets, such as '10.0.0.7:8080'`,
    ],
  ),
])('%j is refused', async (options, message) => {
  const { orders } = rig()
  await expect(orders.acquire(options as AcquireOptions)).rejects.toMatchObject({
    ...{ code: 'INVALID_OPTION', message },
  })
})

describe('within a deadline', () => {
  test('with no time left it fails at once', async () => {
    const { orders } = await listed()
    await expect(withDeadline(0, () => orders.acquire())).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'acquire() of orders has no time left by its deadline (withDeadline, 0 ms)',
    })
  })

  test('discovery is waited for no longer', async () => {
    const { orders, clock } = rig({ timeoutMs: 5000 })
    const waiting = withDeadline(100, () => orders.acquire(), { clock })
    waiting.catch(() => undefined)
    await clock.advance(100)
    await expect(waiting).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      message: expect.stringMatching(
        /^orders has no endpoint yet by the deadline of its request \(withDeadline, 100 ms\)/,
      ) as unknown,
    })
  })
})
