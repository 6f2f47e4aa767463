import { errors, type Dispatcher } from 'undici'
import { describe, expect, test } from 'vitest'
import { answer, CallRig, Outcomes, THREE } from './call.test.support.js'

const [a] = THREE
const GET = { method: 'GET', path: '/' } as const

/** The shape of undici 7's own clients; its types know the newer one only. */
function asHandler(outcomes: Outcomes): Dispatcher.DispatchHandler {
  return outcomes
}

async function listed(): Promise<CallRig> {
  const rig = new CallRig()
  await rig.list()
  return rig
}

describe('what is wrong with a request reaches its handler, and nothing is sent or counted', () => {
  test.each([
    ['timeoutMs', { timeoutMs: -1 }],
    ['timeoutMs', { timeoutMs: '5' }],
    ['hashKey', { hashKey: 5 }],
    ['idempotent', { idempotent: 'yes' }],
    ['origin', { origin: 'http://elsewhere' }],
    ['origin', { origin: new URL('http://elsewhere') }],
  ])('%s of %j', async (name, wrong) => {
    const rig = await listed()
    for (const way of ['forward', 'dispatch'] as const) {
      const outcomes = new Outcomes()
      rig.dispatcher[way]({ ...GET, ...wrong } as Dispatcher.DispatchOptions, asHandler(outcomes) as never)
      expect(outcomes.heard).toEqual(['error'])
      expect(outcomes.error).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining(name) as unknown,
      })
    }
    expect(rig.published.map(({ type }) => type)).not.toContain('call:start')
    expect(rig.inflight).toEqual([0, 0, 0])
  })

  test('the origin that it serves is named', async () => {
    const rig = await listed()
    expect(rig.send({ origin: 'http://elsewhere' }).error).toMatchObject({
      service: 'orders',
      message: expect.stringMatching(
        /^origin is "http:\/\/elsewhere": a client of orders serves http:\/\/orders only/,
      ) as unknown,
    })
  })

  test('options that are no object', async () => {
    const rig = await listed()
    for (const options of [undefined, null, 'GET /']) {
      const outcomes = new Outcomes()
      expect(rig.dispatcher.dispatch(options as never, asHandler(outcomes))).toBe(false)
      expect(outcomes.error).toBeInstanceOf(errors.InvalidArgumentError)
    }
  })

  test('a handler that could not be told is thrown at its caller', async () => {
    const rig = await listed()
    for (const handler of [undefined, null, 'handler', () => undefined]) {
      expect(() => rig.dispatcher.dispatch(GET, handler as never)).toThrow('handler must be an object')
    }
    expect(() => rig.dispatcher.dispatch(GET, {})).toThrow(errors.InvalidArgumentError)
  })
})

test.each([
  ['no idempotent', { idempotent: null }],
  ['its own origin', { origin: 'http://orders' }],
  ['its own origin as a URL', { origin: new URL('http://orders') }],
])('a request with %s is sent', async (_name, options) => {
  const rig = await listed()
  const call = rig.send(options as object)
  answer(rig.sentTo(a))
  expect(call.heard).toEqual(['head 200', 'complete'])
})

test('requests of one limit share one timer, and one with its own has another', async () => {
  const rig = await listed()
  rig.send()
  const { pending } = rig.clock
  rig.send()
  expect(rig.clock.pending - pending).toBe(0)
  rig.send({ timeoutMs: 5 })
  expect(rig.clock.pending - pending).toBe(1)
})

test('its methods can be called on their own, as compose() does', async () => {
  const rig = await listed()
  const proxy = new Proxy(rig.dispatcher, {})
  const outcomes = new Outcomes()
  expect(proxy.dispatch(GET, asHandler(outcomes))).toBe(true)
  answer(rig.sentTo(a))
  expect(outcomes.heard).toEqual(['head 200', 'complete'])
  await proxy.close()
  await proxy.destroy()
  expect(Object.keys(rig.dispatcher)).not.toContain('dispatch')
  // Tools that measure a dispatcher replace them.
  const replaced = { dispatch: () => false }
  expect(Object.assign(rig.dispatcher, replaced)).toMatchObject(replaced)
})

describe('destroy', () => {
  test.each([
    ['without an argument', []],
    ['with null', [null]],
  ])('%s ends what waits by CLIENT_CLOSED', async (_name, args) => {
    const rig = new CallRig()
    const waiting = rig.send()
    await rig.dispatcher.destroy(...(args as []))
    await rig.settle()
    expect(waiting.error).toMatchObject({ code: 'CLIENT_CLOSED', service: 'orders' })
    expect(waiting.error?.message).toBe('the client of orders is closed; make a new one')
  })

  test('ends a call that waits to be retried by its error, the first where there are several', async () => {
    const rig = await listed()
    const call = rig.send()
    rig.sentTo(a).onError(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
    const [first, second] = [new Error('first'), new Error('second')]
    const ends = [rig.dispatcher.destroy(first), rig.dispatcher.destroy(second)]
    await rig.settle()
    await Promise.all(ends)
    expect(call.error).toBe(first)
    expect([rig.execution.active, rig.inflight]).toEqual([0, [0, 0, 0]])
  })

  test('is the error of a call whose connection it breaks off', async () => {
    const rig = await listed()
    const call = rig.send()
    const reason = new Error('over')
    await rig.dispatcher.destroy(reason)
    rig.sentTo(a).onConnect(() => undefined)
    rig.sentTo(a).onError(new errors.ClientDestroyedError())
    expect(call.error).toBe(reason)
  })

  test.each([
    ['alone', (done: () => void) => [done]],
    ['behind an error', (done: () => void) => [new Error('over'), done]],
  ])('calls a callback %s back, in a later turn, and returns nothing', async (_name, args) => {
    const rig = new CallRig()
    const waiting = rig.send()
    const heard = await new Promise((resolve) => {
      let now = true
      const done = (...result: unknown[]): void => {
        resolve([now, ...result])
      }
      const returned: unknown = rig.dispatcher.destroy(...(args(done) as unknown as [null]))
      expect(returned).toBeUndefined()
      now = false
    })
    expect(heard).toEqual([false, null, null])
    await rig.settle()
    expect(waiting.error).toBeDefined()
  })
})

describe('close', () => {
  test('calls back, and the dispatcher is destroyed then and not before', async () => {
    const rig = await listed()
    rig.send()
    let called: unknown[] | undefined
    rig.dispatcher.close(((...result: unknown[]) => (called = result)) as () => void)
    await rig.settle()
    expect([called, rig.dispatcher.closed, rig.dispatcher.destroyed]).toEqual([undefined, true, false])
    answer(rig.sentTo(a))
    await rig.settle()
    expect([called, rig.dispatcher.destroyed]).toEqual([[null, null], true])
  })

  test('after destroy is refused, by a promise or to a callback', async () => {
    const rig = new CallRig()
    await rig.dispatcher.destroy()
    await expect(rig.dispatcher.close()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    const error = await new Promise((resolve) => rig.dispatcher.close(resolve as () => void))
    expect(error).toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  test('that is interrupted by destroy ends, and stays destroyed', async () => {
    const rig = await listed()
    const call = rig.send()
    const closed = rig.dispatcher.close()
    const reason = new Error('over')
    const destroyed = rig.dispatcher.destroy(reason)
    rig.sentTo(a).onError(new errors.ClientDestroyedError())
    await Promise.all([closed, destroyed])
    expect([call.error, rig.dispatcher.destroyed]).toEqual([reason, true])
    expect(rig.dispatcher.destroy()).toBe(destroyed)
  })

  test('takes no more requests, in either way', async () => {
    const rig = await listed()
    await rig.dispatcher.close()
    expect(rig.send().error).toMatchObject({ code: 'CLIENT_CLOSED', service: 'orders' })
    const outcomes = new Outcomes()
    expect(rig.dispatcher.dispatch(GET, asHandler(outcomes))).toBe(false)
    expect(outcomes.error).toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  test('and destroy refuse a callback that is none', async () => {
    const rig = await listed()
    expect(() => rig.dispatcher.close('done' as never)).toThrow(errors.InvalidArgumentError)
    expect(() => rig.dispatcher.destroy(null, 'done' as never)).toThrow(errors.InvalidArgumentError)
    expect([rig.dispatcher.closed, rig.dispatcher.destroyed]).toEqual([false, false])
  })
})
