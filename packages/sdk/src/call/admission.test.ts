import { AsyncLocalStorage } from 'node:async_hooks'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { afterwards, serve } from '../client.test.support.js'
import { withDeadline } from '../deadline/with-deadline.js'
import type { ClientOptions } from '../index.js'
import { createClient, fixedResolver } from '../index.js'
import { until } from '../test-support/until.test.support.js'
import { toDispatchHandler } from '../transport/handler.js'
import type { TransportRequest } from '../transport/transport.js'
import { answer, CallRig, Outcomes, THREE } from './call.test.support.js'

const [a, b] = THREE

async function listed(admission: ClientOptions['admission'], options: ClientOptions = {}): Promise<CallRig> {
  const rig = new CallRig({ admission, ...options })
  await rig.list()
  return rig
}

/** Requests that an instance has been sent, ever. */
function sent(rig: CallRig): readonly string[] {
  return [...rig.transports.values()].flatMap(({ sent: all }) => all.map(({ options }) => options.path))
}

describe('above the limit', () => {
  test('a call waits for another to end with its body, and is sent then', async () => {
    const rig = await listed({ maxConcurrent: 1 })
    const first = rig.send({ path: '/1' })
    const second = rig.send({ path: '/2' })
    expect([sent(rig), rig.admission?.inspect(), rig.execution.active]).toEqual([
      ['/1'],
      expect.objectContaining({ limit: 1, inflight: 1, queued: 1 }),
      2,
    ])
    const request = rig.sentTo(a)
    request.onConnect(() => undefined)
    request.onHeaders(200, [], () => undefined, '')
    await rig.settle()
    expect(sent(rig)).toEqual(['/1'])
    request.onComplete([])
    await rig.settle()
    answer(rig.sentTo(a))
    expect([first.heard, second.heard]).toEqual([
      ['head 200', 'complete'],
      ['head 200', 'complete'],
    ])
    expect(rig.admission?.inspect()).toMatchObject({ inflight: 0, queued: 0 })
  })

  test('the most important goes first, by its option or its header, and the least is shed', async () => {
    const rig = await listed({ maxConcurrent: 1, queue: { max: 2 }, priorityHeader: 'x-priority' })
    rig.send({ path: '/first' })
    const least = rig.send({ path: '/least', priority: 7 })
    rig.send({ path: '/usual' })
    rig.send({ path: '/most', headers: { 'X-Priority': '0' } })
    expect(least.error).toMatchObject({ code: 'OVERLOADED' })
    for (let each = 0; each < 3; each++) {
      answer(rig.sentTo(a))
      await rig.settle()
    }
    expect(sent(rig)).toEqual(['/first', '/most', '/usual'])
  })

  test('it fails at once where there is no queue, and is not tried again, and no budget is for it', async () => {
    const rig = await listed(
      { maxConcurrent: 1, queue: false },
      { retry: { budgetRatio: 1, budgetMinPerSecond: 0 } },
    )
    rig.send()
    const shed = rig.send({ path: '/2' })
    expect(shed.error).toMatchObject({
      code: 'OVERLOADED',
      message:
        'GET /2 to orders was shed: 1 in flight (option admission.maxConcurrent), 0 queued (option admission.queue.max)',
    })
    await rig.settle()
    expect([sent(rig).length, rig.budget.balance(0), rig.execution.active]).toEqual([1, 1, 1])
  })

  test('a call takes one place, however many attempts it makes', async () => {
    const rig = await listed({ maxConcurrent: 1 })
    rig.send({ path: '/1' })
    rig.send({ path: '/2' })
    rig.sentTo(a).onError(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
    await rig.settle()
    expect(sent(rig)).toEqual(['/1', '/1'])
    answer(rig.sentTo(b))
    await rig.settle()
    expect(sent(rig)).toContain('/2')
  })
})

describe('in the queue', () => {
  test('timeoutMs and a deadline run on, and say so', async () => {
    const rig = await listed({ maxConcurrent: 1 }, { timeoutMs: 500 })
    rig.send({ timeoutMs: 10_000 })
    const usual = rig.send({ path: '/usual' })
    const bound = withDeadline(
      200,
      () => {
        const outcomes = new Outcomes()
        rig.dispatcher.dispatch({ method: 'GET', path: '/bound' }, toDispatchHandler(outcomes))
        return outcomes
      },
      { clock: rig.clock },
    )
    await rig.clock.advance(200)
    expect(bound.error).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message:
        'GET /bound to orders was queued for admission, and not sent by its deadline (withDeadline, 200 ms)',
    })
    await rig.clock.advance(300)
    expect(usual.error?.message).toBe(
      'GET /usual to orders was queued for admission, and not sent within 500 ms (option timeoutMs)',
    )
    expect(rig.admission?.inspect()).toMatchObject({ inflight: 1, queued: 0 })
  })

  test('what was aborted makes room, also between its turn and its start', async () => {
    const rig = await listed({ maxConcurrent: 1 })
    rig.send({ path: '/1' })
    const queued = ['/2', '/3', '/4'].map((path) => rig.send({ path }))
    queued[0]?.abort?.()
    expect(rig.admission?.inspect()).toMatchObject({ queued: 2 })
    answer(rig.sentTo(a))
    // It is the third one's turn, in a turn of its own.
    queued[1]?.abort?.()
    await rig.settle()
    expect(sent(rig)).toEqual(['/1', '/4'])
    expect(queued.map(({ heard }) => heard)).toEqual([['error'], ['error'], []])
  })

  test('one whose time is over is not sent, although no timer has fired', async () => {
    const rig = await listed({ maxConcurrent: 1 }, { timeoutMs: 100 })
    rig.send({ path: '/1', timeoutMs: 10_000 })
    const late = rig.send({ path: '/2' })
    rig.clock.holdUp(100)
    answer(rig.sentTo(a))
    await rig.settle()
    expect([late.error?.message, sent(rig)]).toEqual([
      'GET /2 to orders was not sent within 100 ms (option timeoutMs)',
      ['/1'],
    ])
  })

  test('the wait is no latency of the endpoint', async () => {
    const rig = await listed({ maxConcurrent: 1 })
    rig.send()
    rig.send()
    await rig.clock.advance(1000)
    answer(rig.sentTo(a))
    await rig.settle()
    await rig.clock.advance(5)
    rig.sentTo(a).onError(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    expect(rig.endpoint(a).estimateUs(rig.clock.now()) / 1000).toBeLessThan(100)
  })

  test('close lets it go, and destroy fails it', async () => {
    const rig = await listed({ maxConcurrent: 1 })
    const [first, second, third] = [rig.send(), rig.send(), rig.send()]
    let closed = false
    void rig.dispatcher.close().then(() => (closed = true))
    answer(rig.sentTo(a))
    await rig.settle()
    answer(rig.sentTo(a))
    await rig.settle()
    expect([first.heard, second.heard, third.heard, closed]).toEqual([
      ['head 200', 'complete'],
      ['head 200', 'complete'],
      [],
      false,
    ])
    const fourth = await listed({ maxConcurrent: 1 })
    fourth.send()
    const queued = fourth.send()
    void fourth.dispatcher.destroy()
    expect(queued.error).toMatchObject({ code: 'CLIENT_CLOSED' })
    answer(rig.sentTo(a))
    await rig.settle()
    expect([third.heard, closed]).toEqual([['head 200', 'complete'], true])
  })

  test('its turn is in the context of its caller', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: (string | undefined)[] = []
    const rig = await listed(
      { maxConcurrent: 1 },
      {
        balancer: (endpoints) => ({
          pick: () => {
            seen.push(storage.getStore())
            return endpoints[0]
          },
        }),
      },
    )
    const dispatch = (): void =>
      void rig.dispatcher.dispatch({ method: 'GET', path: '/' }, toDispatchHandler(new Outcomes()))
    storage.run('first', dispatch)
    storage.run('second', dispatch)
    storage.run('whose connection ends', () => answer(rig.sentTo(a)))
    await rig.settle()
    expect(seen).toEqual(['first', 'second'])
  })
})

describe('an adaptive limit', () => {
  type Ending = (rig: CallRig, request: TransportRequest) => void | Promise<void>

  const begin = (request: TransportRequest): void => {
    request.carrier = {}
    request.onConnect(() => undefined)
  }
  const respond = (request: TransportRequest, statusCode = 200): void => {
    request.onHeaders(statusCode, [], () => undefined, '')
    request.onComplete([])
  }

  /** A window of ten calls at once; `end` is behind what they take. */
  async function ten(
    rig: CallRig,
    options: Parameters<CallRig['send']>[0],
    wait: () => unknown,
    end: Ending,
  ): Promise<void> {
    for (let each = 0; each < 10; each++) rig.send(options)
    const requests = rig.transports.get(a?.origin ?? '')?.sent.slice(-10) ?? []
    requests.forEach(begin)
    await wait()
    for (const request of requests) await end(rig, request)
    await rig.clock.advance(1000)
  }

  /** One that has learnt that 10 ms are usual, and stands at 18. */
  async function learnt(options: ClientOptions = {}): Promise<CallRig> {
    const rig = await listed({ adaptive: { initialLimit: 18, minLimit: 1, maxLimit: 100 } }, options)
    for (let window = 0; window <= 10; window++)
      await ten(
        rig,
        {},
        () => rig.clock.advance(10),
        (_, request) => respond(request),
      )
    expect(rig.admission?.inspect()).toMatchObject({ limit: 18, inflight: 0 })
    return rig
  }

  /** What the limit is after ten more windows. */
  async function after(
    rig: CallRig,
    options: Parameters<CallRig['send']>[0],
    wait: () => unknown,
    end: Ending,
  ): Promise<number | undefined> {
    for (let window = 0; window < 10; window++) await ten(rig, options, wait, end)
    return rig.admission?.inspect().limit
  }

  test.each([
    // It does not rise above twice what is used.
    [10, 20],
    // The first window holds nine answers from before: one rise, and nine falls.
    [100, 12],
  ])('goes by the latency of answers: after %d ms it is %d', async (ms, limit) => {
    const rig = await learnt()
    expect(
      await after(
        rig,
        {},
        () => rig.clock.advance(ms),
        (_, request) => respond(request),
      ),
    ).toBe(limit)
  })

  test.each<[string, Parameters<CallRig['send']>[0], Ending]>([
    ['failures', {}, (_, request) => respond(request, 500)],
    [
      'uploads that are streams',
      { method: 'PUT', body: Readable.from([]) },
      (_, request) => respond(request),
    ],
    [
      'retries',
      {},
      async (rig, request) => {
        request.onError(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
        await rig.settle()
        begin(rig.sentTo(b))
        respond(rig.sentTo(b))
      },
    ],
  ])('does not go by %s', async (_, options, end) => {
    const rig = await learnt({ retry: { budgetMinPerSecond: 1000 } })
    expect(await after(rig, options, () => rig.clock.advance(100), end)).toBe(18)
  })

  test('does not go by the delay of our own event loop', async () => {
    const rig = await learnt()
    expect(
      await after(
        rig,
        {},
        () => rig.clock.holdUp(500),
        (_, request) => respond(request),
      ),
    ).toBe(18)
  })

  test('takes what was not answered within its time for as long at least', async () => {
    const rig = await learnt({ timeoutMs: 500 })
    expect(
      await after(
        rig,
        {},
        () => rig.clock.advance(500),
        () => undefined,
      ),
    ).toBe(12)
  })
})

test.each([-1, 8, 1.5, '1'])('a priority of %j is refused', async (priority) => {
  const rig = await listed({ maxConcurrent: 1 })
  const outcomes = rig.send({ priority: priority as number })
  expect(outcomes.error).toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('it must be a whole number from 0 to 7') as unknown,
  })
  expect(rig.execution.active).toBe(0)
})

test('on the wire, never more than the limit, and inspect tells', async () => {
  let now = 0
  let most = 0
  const release: (() => void)[] = []
  const origin = await serve((_request, response) => {
    most = Math.max(most, ++now)
    release.push(() => {
      now--
      response.end('done')
    })
  })
  const orders = createClient('orders', {
    resolver: fixedResolver([origin]),
    admission: { maxConcurrent: 3, queue: { max: 10 } },
  })
  afterwards(() => orders.dispatcher.destroy())
  const asked = Array.from({ length: 20 }, async (_, id) => {
    const { body } = await orders.request({ path: `/${id}`, priority: id < 15 ? 5 : 1 })
    return body.text()
  })
  const settled = Promise.allSettled(asked)
  await until(() => release.length === 3)
  expect(orders.inspect().admission).toEqual({
    ...{ limit: 3, inflight: 3, queued: 10 },
    shed: { queueFull: 2, displaced: 5, queueTimeout: 0 },
  })
  for (let served = 0; served < 13; served++) {
    await until(() => release.length > served)
    release[served]?.()
  }
  const outcomes = await settled
  expect(most).toBe(3)
  expect(outcomes.map(({ status }) => status)).toEqual([
    ...Array.from({ length: 8 }, () => 'fulfilled'),
    ...Array.from({ length: 7 }, () => 'rejected'),
    ...Array.from({ length: 5 }, () => 'fulfilled'),
  ])
  expect(orders.inspect().admission).toMatchObject({ inflight: 0, queued: 0 })
})
