import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { afterwards, serve } from '../client.test.support.js'
import { Deadline, type DeadlineHeader } from '../deadline/deadline.js'
import { withDeadline } from '../deadline/with-deadline.js'
import type { Instance } from '../discovery/resolver.js'
import { createClient, fixedResolver } from '../index.js'
import { ManualClock } from '../testing/index.js'
import { toDispatchHandler } from '../transport/handler.js'
import { CallRig, Outcomes, THREE } from './call.test.support.js'

const [a, b] = THREE
const ENVOY = 'x-envoy-expected-rq-timeout-ms'
const GRPC = 'grpc-timeout'
const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

async function listed(...about: ConstructorParameters<typeof CallRig>): Promise<CallRig> {
  const rig = new CallRig(...about)
  await rig.list()
  return rig
}

/** As it came in by this header. */
function incoming(rig: CallRig, ms: number, ...by: DeadlineHeader[]): Deadline {
  return new Deadline(rig.clock, rig.clock.now() + ms, `the test, ${ms} ms`, by)
}

/** What would be written of the latest request to an instance, now. */
function headersTo(rig: CallRig, instance: Instance | undefined): unknown {
  return rig.sentTo(instance).toSend?.().headers
}

/** The endpoint has it, and is silent. */
function take(rig: CallRig, instance: Instance | undefined): void {
  const request = rig.sentTo(instance)
  request.carrier = {}
  request.onConnect(() => undefined)
}

/** The timer that watches the event loop has no request left to watch it for. */
async function loopWatched(rig: CallRig): Promise<void> {
  await rig.clock.advance(20)
}

describe('a deadline that comes before timeoutMs', () => {
  test('ends the call, says whose it is, and leaves no timer', async () => {
    const rig = await listed({ timeoutMs: 1000 })
    const { pending } = rig.clock
    const call = rig.send({ path: '/v1' }, undefined, incoming(rig, 250))
    take(rig, a)
    await rig.clock.advance(249)
    expect(call.heard).toEqual([])
    await rig.clock.advance(1)
    expect(call.error).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message:
        'GET /v1 to orders at 10.0.0.1:1 has no response by its deadline (the test, 250 ms), attempt 1',
      endpoint: '10.0.0.1:1',
    })
    expect(rig.inflight).toEqual([0, 0, 0])
    await loopWatched(rig)
    expect(rig.clock.pending).toBe(pending)
  })

  test('is for the head, as timeoutMs is', async () => {
    const rig = await listed()
    const { pending } = rig.clock
    const call = rig.send({}, undefined, incoming(rig, 250))
    take(rig, a)
    rig.sentTo(a).onHeaders(200, [], () => undefined, '')
    await loopWatched(rig)
    expect(rig.clock.pending).toBe(pending)
    await rig.clock.advance(1000)
    rig.sentTo(a).onComplete([])
    expect(call.heard).toEqual(['head 200', 'complete'])
  })

  test('holds for all attempts together', async () => {
    const rig = await listed()
    const call = rig.send({}, undefined, incoming(rig, 250))
    await rig.clock.advance(200)
    rig.sentTo(a).onError(refused())
    await rig.settle()
    take(rig, b)
    await rig.clock.advance(50)
    expect(call.error?.message).toContain('by its deadline (the test, 250 ms), attempt 2')
  })

  test('ends the wait for discovery, which then is what the error tells', async () => {
    const rig = new CallRig()
    const call = rig.send({}, undefined, incoming(rig, 250))
    await rig.clock.advance(250)
    expect(call.error).toMatchObject({ code: 'NO_ENDPOINTS' })
    expect(call.error?.message).toContain(
      'orders has no endpoint yet by the deadline of its request (the test, 250 ms): ',
    )
  })

  test('is not moved by a stream that makes progress, while timeoutMs is', async () => {
    const rig = await listed({ timeoutMs: 100 })
    const call = rig.send({ method: 'PUT', body: Readable.from([]) }, undefined, incoming(rig, 250))
    take(rig, a)
    for (const wait of [99, 99, 51]) {
      await rig.clock.advance(wait)
      rig.sentTo(a).onBodySent?.('more')
      expect(call.heard).toEqual([])
    }
    await rig.clock.advance(1)
    expect(call.error?.message).toContain('by its deadline (the test, 250 ms)')
  })

  test.each([
    [{}, 1000],
    [{ timeoutMs: 500 }, 500],
  ])('is none where it comes later: %j', async (options, expected) => {
    const rig = await listed({ timeoutMs: 1000 })
    const call = rig.send(options, undefined, incoming(rig, 2000))
    take(rig, a)
    await rig.clock.advance(expected)
    expect(call.error?.message).toContain(`after ${expected} ms (option timeoutMs)`)
  })
})

describe('a call with no time left is not sent', () => {
  const sent = (rig: CallRig): number =>
    [...rig.transports.values()].reduce((sum, each) => sum + each.sent.length, 0)

  test.each([0, -5])('from the start, %d ms', async (ms) => {
    const rig = await listed({ retry: { budgetRatio: 1, budgetMinPerSecond: 0 } })
    const { pending } = rig.clock
    const call = rig.send({ path: '/v1' }, undefined, incoming(rig, ms))
    expect(call.error).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: `GET /v1 to orders was not sent by its deadline (the test, ${ms} ms)`,
      endpoint: undefined,
      errors: [],
    })
    expect([sent(rig), rig.clock.pending, rig.budget.balance(0)]).toEqual([0, pending, 0])
    expect(rig.execution.active).toBe(0)
  })

  test('when discovery has answered too late, although no timer has fired', async () => {
    const rig = new CallRig({ timeoutMs: 100 })
    const call = rig.send()
    rig.resolver.snapshot(THREE)
    rig.clock.holdUp(100)
    await rig.settle()
    expect(call.error?.message).toMatch(/^GET \/ to orders was not sent within 100 ms \(option timeoutMs\)$/)
    expect(sent(rig)).toBe(0)
  })

  test('again, where an attempt failed too late', async () => {
    const rig = await listed({ timeoutMs: 100 })
    const call = rig.send()
    rig.clock.holdUp(100)
    const failure = refused()
    rig.sentTo(a).onError(failure)
    await rig.settle()
    expect(call.error).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message:
        'GET / to orders at 10.0.0.1:1 failed, and could not be retried within 100 ms (option timeoutMs), attempt 1',
      errors: [failure],
    })
    expect(sent(rig)).toBe(1)
    expect(rig.endpoint(b).failures).toBe(0)
  })
})

/** What it has taken is answered. */
function respond(rig: CallRig): void {
  rig.sentTo(a).onHeaders(200, [], () => undefined, '')
  rig.sentTo(a).onComplete([])
}

describe('an endpoint that is cut short', () => {
  const failuresAfter = async (given: number, usual: number | undefined): Promise<number> => {
    const rig = await listed()
    for (let n = 0; usual !== undefined && n < 20; n++) {
      rig.send()
      take(rig, a)
      await rig.clock.advance(usual)
      rig.sentTo(a).onHeaders(200, [], () => undefined, '')
      rig.sentTo(a).onComplete([])
    }
    rig.send({}, undefined, incoming(rig, given))
    take(rig, a)
    await rig.clock.advance(given)
    return rig.endpoint(a).failures
  }

  test.each([
    ['before the time that it takes has not failed', 10, 50, 0],
    ['after it has', 100, 50, 1],
    ['has, where it was never measured', 10, undefined, 1],
  ])('%s', async (_, given, usual, failures) => {
    expect(await failuresAfter(given, usual)).toBe(failures)
  })

  test('by a `timeoutMs` of the request, before the time that it takes, has not failed either', async () => {
    const rig = await listed()
    for (let n = 0; n < 20; n++) {
      rig.send()
      take(rig, a)
      await rig.clock.advance(60)
      respond(rig)
    }
    for (const timeoutMs of [20, 200]) {
      rig.send({ timeoutMs })
      take(rig, a)
      await rig.clock.advance(timeoutMs)
    }
    expect(rig.endpoint(a).failures).toBe(1)
  })

  test('has, however often it has let deadlines pass before', async () => {
    const rig = await listed()
    for (let n = 0; n < 20; n++) {
      rig.send()
      take(rig, a)
      await rig.clock.advance(5)
      respond(rig)
    }
    for (let n = 0; n < 10; n++) {
      rig.send({}, undefined, incoming(rig, 200))
      take(rig, a)
      await rig.clock.advance(200)
    }
    expect(rig.endpoint(a).failures).toBe(10)
  })
})

describe('the header', () => {
  test('tells what is left for each attempt as it is written, rounded down', async () => {
    const rig = await listed({ timeoutMs: 1000, deadlineHeader: ENVOY })
    rig.send({ headers: { accept: '*/*' } })
    expect(headersTo(rig, a)).toEqual({ accept: '*/*', [ENVOY]: '1000' })
    // In the queue for a connection.
    await rig.clock.advance(99.5)
    expect(headersTo(rig, a)).toEqual({ accept: '*/*', [ENVOY]: '900' })
    rig.sentTo(a).onError(refused())
    await rig.settle()
    // The retry waits in a queue as well.
    await rig.clock.advance(100)
    expect(headersTo(rig, b)).toEqual({ accept: '*/*', [ENVOY]: '800' })
    // Its timer is late.
    rig.clock.holdUp(5000)
    expect(headersTo(rig, b)).toEqual({ accept: '*/*', [ENVOY]: '1' })
  })

  test.each([
    [{ timeoutMs: 1000 }, undefined, undefined],
    [{ timeoutMs: 1000, deadlineHeader: GRPC } as const, undefined, { [GRPC]: '1000m' }],
    [{ timeoutMs: Infinity, deadlineHeader: GRPC } as const, undefined, undefined],
    [{ timeoutMs: 1000 }, [GRPC], { [GRPC]: '250m' }],
    [{ timeoutMs: 1000 }, [ENVOY, GRPC], { [ENVOY]: '250', [GRPC]: '250m' }],
    [{ timeoutMs: 100 }, [ENVOY], { [ENVOY]: '100' }],
    [{ deadlineHeader: GRPC } as const, [ENVOY], { [GRPC]: '250m' }],
    [{ deadlineHeader: false } as const, [ENVOY], undefined],
  ])(
    'of a client with %j, within a deadline of 250 ms that came in by %j, is %j',
    async (options, by, expected) => {
      const rig = await listed(options)
      const deadline = by && incoming(rig, 250, ...(by as DeadlineHeader[]))
      rig.send({}, undefined, deadline)
      expect(headersTo(rig, a)).toEqual(expected)
    },
  )

  test('does not tell the time of a stream, which moves on, but that of the deadline around it', async () => {
    const rig = await listed({ deadlineHeader: ENVOY })
    const body = (): Readable => Readable.from([])
    rig.send({ method: 'PUT', body: body() })
    expect(headersTo(rig, a)).toBeUndefined()
    rig.send({ method: 'PUT', body: body() }, undefined, incoming(rig, 60_000))
    expect(headersTo(rig, a)).toEqual({ [ENVOY]: '60000' })
    rig.send({ method: 'PUT', body: Buffer.from('whole') })
    expect(headersTo(rig, a)).toEqual({ [ENVOY]: '30000' })
  })
})

describe('the deadline of the async context', () => {
  const dispatch = (rig: CallRig, options: { timeoutMs?: number } = {}): Outcomes => {
    const outcomes = new Outcomes()
    rig.dispatcher.dispatch({ method: 'GET', path: '/', ...options }, toDispatchHandler(outcomes))
    return outcomes
  }

  test('is that of each call, by whatever clock', async () => {
    const rig = await listed({ timeoutMs: 1000 })
    await rig.clock.advance(12_345)
    const clock = new ManualClock()
    const [bound, own] = withDeadline(250, () => [dispatch(rig), dispatch(rig, { timeoutMs: 100 })], {
      clock,
    })
    await rig.clock.advance(100)
    expect([bound.heard, own.heard]).toEqual([[], ['error']])
    await rig.clock.advance(150)
    expect(bound.error?.message).toContain('by its deadline (withDeadline, 250 ms)')
  })

  test('is not that of the calls outside of it', async () => {
    const rig = await listed({ timeoutMs: 1000 })
    withDeadline(250, () => dispatch(rig), { clock: rig.clock })
    const call = dispatch(rig)
    await rig.clock.advance(999)
    expect(call.heard).toEqual([])
    await rig.clock.advance(1)
    expect(call.heard).toEqual(['error'])
  })

  test('is earlier by a nested one, and goes out as the outer one came in', async () => {
    const rig = await listed()
    const { clock } = rig
    withDeadline(incoming(rig, 250, GRPC), () => withDeadline(100, () => dispatch(rig), { clock }))
    expect(headersTo(rig, a)).toEqual({ [GRPC]: '100m' })
  })
})

test('on the wire, what was queued for a connection tells what is left when its turn comes', async () => {
  const told: unknown[] = []
  let answerFirst: (() => void) | undefined
  const origin = await serve((request, response) => {
    told.push(request.headers[ENVOY])
    if (request.url === '/first') answerFirst = () => response.end()
    else response.end()
  })
  const clock = new ManualClock()
  const orders = createClient('orders', {
    ...{ resolver: fixedResolver([origin]), clock, timeoutMs: 1000, deadlineHeader: ENVOY },
    connections: { maxPerEndpoint: 1 },
  })
  afterwards(() => orders.dispatcher.destroy())
  await orders.ready()
  const asked = ['/first', '/second'].map(async (path) => {
    const { body } = await orders.request({ path })
    await body.dump()
  })
  await expect.poll(() => told).toEqual(['1000'])
  clock.holdUp(300)
  answerFirst?.()
  await Promise.all(asked)
  expect(told).toEqual(['1000', '700'])
})
