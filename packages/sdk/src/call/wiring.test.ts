import { errors } from 'undici'
import { describe, expect, test } from 'vitest'
import { Deadlines } from '../resilience/deadline.js'
import { Call } from './call.js'
import { answer, CallRig, Outcomes, THREE } from './call.test.support.js'

const [a, b] = THREE
const reset = (): Error => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

describe('the retry budget', () => {
  test('every request pays into it, and a retry of what was written takes from it', async () => {
    const rig = new CallRig({ retry: { budgetRatio: 0.5, budgetMinPerSecond: 0 } })
    await rig.list()
    for (let n = 0; n < 2; n++) {
      rig.send()
      answer(rig.sentTo(a))
    }
    expect(rig.budget.balance(rig.clock.now())).toBe(1)
    const call = rig.send()
    expect(rig.budget.balance(rig.clock.now())).toBe(1.5)
    rig.sentTo(a).onConnect(() => undefined)
    rig.sentTo(a).onError(reset())
    await rig.settle()
    expect(rig.budget.balance(rig.clock.now())).toBe(0.5)
    answer(rig.sentTo(b))
    expect(call.heard).toEqual(['head 200', 'complete'])
  })

  test('spent, the request fails, and says so', async () => {
    const rig = new CallRig({ retry: { budgetRatio: 0, budgetMinPerSecond: 0 } })
    await rig.list()
    const call = rig.send()
    rig.sentTo(a).onConnect(() => undefined)
    rig.sentTo(a).onError(reset())
    await rig.settle()
    expect(call.error).toMatchObject({
      code: 'ATTEMPTS_EXHAUSTED',
      message: expect.stringContaining('the retry budget is spent') as unknown,
    })
  })

  test('one that is aborted before it is sent does not pay', async () => {
    const rig = new CallRig({ retry: { budgetRatio: 0.5, budgetMinPerSecond: 0 } })
    await rig.list()
    rig.dispatcher.forward(
      { method: 'GET', path: '/' },
      {
        onConnect: (abort) => abort(),
        onHeaders: () => true,
        onData: () => true,
        onComplete: () => undefined,
        onError: () => undefined,
      },
    )
    expect(rig.budget.balance(rig.clock.now())).toBe(0)
  })

  test('what was not written is tried elsewhere without taking from it', async () => {
    const rig = new CallRig({ retry: { budgetRatio: 0, budgetMinPerSecond: 0 } })
    await rig.list()
    const call = rig.send({ method: 'POST' })
    rig.sentTo(a).onError(refused())
    await rig.settle()
    answer(rig.sentTo(b))
    expect(call.heard).toEqual(['head 200', 'complete'])
  })
})

describe('close() waits', () => {
  const closedBy = (rig: CallRig): { readonly done: boolean } => {
    const state = { done: false }
    void rig.dispatcher.close().then(() => (state.done = true))
    return state
  }

  test('for a call that waits for discovery', async () => {
    const rig = new CallRig()
    const call = rig.send()
    const closed = closedBy(rig)
    await rig.settle()
    expect([closed.done, call.heard]).toEqual([false, []])
    await rig.list()
    answer(rig.sentTo(a))
    await rig.settle()
    expect([closed.done, call.heard]).toEqual([true, ['head 200', 'complete']])
  })

  test('for a call that is retrying', async () => {
    const rig = new CallRig()
    await rig.list()
    const call = rig.send()
    const closed = closedBy(rig)
    rig.sentTo(a).onError(refused())
    await rig.settle()
    expect([closed.done, call.heard]).toEqual([false, []])
    answer(rig.sentTo(b))
    await rig.settle()
    expect([closed.done, call.heard]).toEqual([true, ['head 200', 'complete']])
  })

  test('for the body of a response', async () => {
    const rig = new CallRig()
    await rig.list()
    rig.send()
    const closed = closedBy(rig)
    rig.sentTo(a).onConnect(() => undefined)
    rig.sentTo(a).onHeaders(200, [], () => undefined, '')
    await rig.settle()
    expect(closed.done).toBe(false)
    rig.sentTo(a).onComplete([])
    await rig.settle()
    expect(closed.done).toBe(true)
  })
})

describe("undici's limit for heads", () => {
  const limitOf = (rig: CallRig): unknown => rig.sentTo(a).options.headersTimeout

  test('stands behind the client’s own deadline, which is set for each connection', async () => {
    const rig = new CallRig({ timeoutMs: 1000 })
    await rig.list()
    rig.send()
    expect(limitOf(rig)).toBeUndefined()
  })

  test('is off where a request brings a limit of its own, however much longer', async () => {
    const rig = new CallRig({ timeoutMs: 1000 })
    await rig.list()
    const call = rig.send({ timeoutMs: 600_000 })
    expect(limitOf(rig)).toBe(0)
    rig.sentTo(a).onConnect(() => undefined)
    await rig.clock.advance(599_999)
    expect(call.heard).toEqual([])
    await rig.clock.advance(1)
    expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  })

  test('is off where the registry prefers another limit, which holds from then on', async () => {
    const rig = new CallRig()
    rig.resolver.snapshot(THREE, { policy: { requestTimeoutMs: 400_000 } })
    await rig.settle()
    const call = rig.send()
    expect(limitOf(rig)).toBe(0)
    rig.sentTo(a).onConnect(() => undefined)
    await rig.clock.advance(399_999)
    expect(call.heard).toEqual([])
    await rig.clock.advance(1)
    expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    await rig.list()
    rig.send()
    expect(limitOf(rig)).toBeUndefined()
  })
})

test('an endpoint without a latency yet is free for one request, and taken for its peers’ with one in flight', async () => {
  const rig = new CallRig({ balancer: 'peak_ewma' })
  await rig.list([THREE[0], THREE[1]].filter((one) => one !== undefined))
  const [first, second] = rig.cluster.endpoints
  expect([first?.latencyUs(0), second?.latencyUs(0)]).toEqual([0, 0])
  rig.send()
  const busy = [first, second].find((endpoint) => endpoint?.inflight === 1)
  expect(busy?.latencyUs(0)).toBe(30_000)
  // The other one is still free, so that the next request goes there and not behind the first.
  rig.send()
  expect(rig.inflight).toEqual([1, 1])
})

test('a queued request that runs out of time blames the queue and not the instance', async () => {
  const rig = new CallRig({ timeoutMs: 50, retry: false })
  await rig.list()
  const call = rig.send()
  await rig.clock.advance(50)
  expect(call.error?.message).toContain('was queued for a connection (option connections.maxPerEndpoint)')
  expect(rig.cluster.endpoints[0]).toMatchObject({ failures: 0, inflight: 0 })
})

test('every call and attempt is told, in order, by subscribers that want to hear of them', async () => {
  const rig = new CallRig()
  await rig.list()
  rig.send({ path: '/v1' })
  rig.sentTo(a).onError(refused())
  await rig.settle()
  answer(rig.sentTo(b))
  const told = rig.published.filter(({ type }) => /^(?:call|attempt):/.test(type))
  expect(told.map((event) => [event.type, 'endpoint' in event ? event.endpoint : undefined])).toEqual([
    ['call:start', undefined],
    ['attempt:start', '10.0.0.1:1'],
    ['attempt:end', '10.0.0.1:1'],
    ['attempt:failed', '10.0.0.1:1'],
    ['attempt:start', '10.0.0.1:2'],
    ['attempt:answered', '10.0.0.1:2'],
    ['attempt:end', '10.0.0.1:2'],
    ['call:end', undefined],
  ])
  expect(told.at(-1)).toMatchObject({ attempts: 2, error: undefined, path: '/v1' })
  const outcomes = told.map((event) => (event.type === 'attempt:end' ? [event.attempt, event.outcome] : []))
  expect(outcomes.filter(({ length }) => length > 0)).toEqual([
    [1, 'local_failure'],
    [2, 'success'],
  ])
  expect(new Set(told.map((event) => 'call' in event && event.call)).size).toBe(1)
})

test("an attempt that fails by its caller's fault ends what is under way beside it", async () => {
  const rig = new CallRig()
  await rig.list()
  const { execution: owner, policy, events, clock } = rig
  const outcomes = new Outcomes()
  const call = new Call(
    { service: 'orders', owner, policy, filter: undefined, deadlineHeaders: undefined, events, clock },
    policy.current,
    { method: 'GET', path: '/' },
    new Deadlines(1000, clock),
    outcomes,
    undefined,
  )
  owner.execute(call)
  const [, second] = rig.cluster.endpoints
  if (second === undefined) throw new Error('there are three')
  expect(call.attempt(second)).toBe(true)
  expect(rig.inflight).toEqual([1, 1, 0])
  const fault = new errors.InvalidArgumentError('invalid header')
  rig.sentTo(a).onError(fault)
  expect([outcomes.heard, outcomes.error]).toEqual([['error'], fault])
  expect(rig.inflight).toEqual([0, 0, 0])
  expect(rig.transports.get(b?.origin ?? '')?.released).toEqual(['cancelled'])
})

test('a deadline ends what was started, as every other way does', async () => {
  const rig = new CallRig({ timeoutMs: 50 })
  await rig.list()
  rig.send()
  await rig.clock.advance(50)
  const ended = rig.published.filter(({ type }) => type === 'attempt:end')
  expect(ended).toMatchObject([{ attempt: 1, outcome: 'ignored', endpoint: '10.0.0.1:1' }])
})

describe('a balancer of the user', () => {
  const picking = (pick: () => unknown): CallRig =>
    new CallRig({ balancer: () => ({ pick: pick as () => undefined }) })

  test.each([[42], [{}], [Promise.resolve()]])('that picks %s is named', async (picked) => {
    const rig = picking(() => picked)
    await rig.list()
    const { error } = rig.send()
    expect(error).toMatchObject({ code: 'INVALID_OPTION' })
    expect(error?.message).toMatch(/^what balancer picked is .*: it must be one of the endpoints/)
    expect(rig.inflight).toEqual([0, 0, 0])
  })

  test('that picks none of those that are available is named', async () => {
    const rig = picking(() => undefined)
    await rig.list()
    const { error } = rig.send()
    expect(error).toMatchObject({ code: 'NO_ENDPOINTS' })
    expect(error?.message).toContain('picked none of 3 available endpoints (option balancer)')
  })
})
