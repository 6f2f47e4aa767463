import { errors } from 'undici'
import { describe, expect, test } from 'vitest'
import { Deadlines } from '../resilience/deadline.js'
import type { Outcome } from '../resilience/outcome.js'
import { instanceAt } from '../testing/index.js'
import { Call } from './call.js'
import { answer, CallRig, Outcomes, THREE, type OptionalParts } from './call.test.support.js'

const [a, b, c] = THREE
const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

/** A call with two attempts under way, on `a` and on `b`, as hedging has them. */
async function hedged(parts: OptionalParts = {}): Promise<{ rig: CallRig; outcomes: Outcomes; call: Call }> {
  const rig = new CallRig({ retry: { attempts: 3 } }, parts)
  await rig.list()
  const { execution: owner, policy, events, clock } = rig
  const outcomes = new Outcomes()
  const dependencies = {
    service: 'orders',
    owner,
    policy,
    filter: undefined,
    deadlineHeaders: undefined,
    events,
    clock,
  }
  const call = new Call(
    dependencies,
    policy.current,
    { method: 'GET', path: '/' },
    new Deadlines(1000, clock),
    outcomes,
    undefined,
  )
  owner.execute(call)
  call.attempt(rig.endpoint(b))
  return { rig, outcomes, call }
}

test('an attempt that fails while another is under way starts none, and the other may succeed', async () => {
  const { rig, outcomes } = await hedged()
  rig.sentTo(a).onError(refused())
  await rig.settle()
  expect([rig.inflight, outcomes.heard]).toEqual([[0, 1, 0], []])
  // It is not final, and takes nothing from the budget.
  expect(rig.published).toContainEqual(expect.objectContaining({ type: 'attempt:failed', final: undefined }))
  answer(rig.sentTo(b))
  expect(outcomes.heard).toEqual(['head 200', 'complete'])
})

test('a retry goes neither where one has failed nor where one is under way', async () => {
  const { rig, call } = await hedged()
  // Due, as after a backoff, while both are under way.
  call.avoidPending()
  expect(call.tried.map(({ address }) => address).sort()).toEqual(['10.0.0.1:1', '10.0.0.1:2'])
  rig.sentTo(a).onError(refused())
  call.avoidPending()
  expect(call.tried).toHaveLength(2)
})

test('a retry that is due when another attempt has answered is not made', async () => {
  const { rig, outcomes, call } = await hedged()
  rig.sentTo(b).onError(refused())
  rig.sentTo(a).onError(refused())
  // Within the turn before the retry.
  call.attempt(rig.endpoint(c))
  rig.sentTo(c).onConnect(() => undefined)
  rig.sentTo(c).onHeaders(200, [], () => undefined, '')
  await rig.settle()
  expect([rig.inflight, outcomes.heard]).toEqual([[0, 0, 1], ['head 200']])
})

test('a response that is too large is asked for once, as another endpoint would answer the same', async () => {
  const rig = new CallRig()
  await rig.list()
  const call = rig.send()
  rig.sentTo(a).onConnect(() => undefined)
  const failure = new errors.HeadersOverflowError()
  rig.sentTo(a).onError(failure)
  await rig.settle()
  expect(call.error).toMatchObject({ code: 'ATTEMPTS_EXHAUSTED', cause: failure })
  expect(call.error?.message).toContain('(option connections.maxResponseHeaderBytes)')
  expect(rig.inflight).toEqual([0, 0, 0])
})

test.each([
  ['GET', ['head 200', 'complete']],
  ['POST', ['error']],
] as const)(
  'a response that is not valid HTTP is asked for elsewhere where a %s may be',
  async (method, heard) => {
    const rig = new CallRig()
    await rig.list()
    const call = rig.send({ method })
    rig.sentTo(a).onConnect(() => undefined)
    rig.sentTo(a).onError(new errors.HTTPParserError('Invalid character'))
    await rig.settle()
    if (method === 'GET') answer(rig.sentTo(b))
    expect(call.heard).toEqual(heard)
    expect(rig.inflight).toEqual([0, 0, 0])
  },
)

test('there are as many attempts as its option says, numbered from 1', async () => {
  const rig = new CallRig({ retry: { attempts: 3 } })
  await rig.list()
  const call = rig.send()
  for (const instance of THREE) {
    rig.sentTo(instance).onError(refused())
    await rig.settle()
  }
  const numbers = (type: string): unknown[] =>
    rig.published.flatMap((event) => (event.type === type && 'attempt' in event ? [event.attempt] : []))
  expect([numbers('attempt:start'), numbers('attempt:failed')]).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ])
  expect(call.error?.message).toContain('3 attempts are the most')
  expect(rig.published.at(-1)).toMatchObject({ type: 'call:end', attempts: 3, error: call.error })
})

test('idle() waits for every call', async () => {
  const rig = new CallRig()
  await rig.list()
  rig.send()
  rig.send({ timeoutMs: 600_000 })
  const first = rig.sentTo(a)
  let idle = false
  void rig.execution.idle().then(() => (idle = true))
  answer(first)
  await rig.settle()
  expect([rig.execution.active, idle]).toEqual([1, false])
  answer(rig.transports.get(a?.origin ?? '')?.sent[0] ?? first)
  await rig.settle()
  expect([rig.execution.active, idle]).toEqual([0, true])
})

test('a client that is idle follows discovery again for a request', async () => {
  const rig = new CallRig()
  await rig.list()
  rig.cluster.pause()
  const call = rig.send()
  expect([rig.cluster.idle, call.heard]).toEqual([false, []])
  await rig.list()
  answer(rig.sentTo(a))
  expect(call.heard).toEqual(['head 200', 'complete'])
})

describe('an attempt that is cancelled says nothing of its endpoint', () => {
  const recording = (): { parts: OptionalParts; recorded: Outcome[] } => {
    const recorded: Outcome[] = []
    const parts: OptionalParts = {
      makeBreaker: () => ({
        state: 'closed',
        available: true,
        acquire: () => 1,
        record: (_permit, outcome) => void recorded.push(outcome),
        hasten: () => undefined,
        close: () => undefined,
      }),
    }
    return { parts, recorded }
  }

  test('where another one has answered', async () => {
    const { parts, recorded } = recording()
    const { rig, outcomes } = await hedged(parts)
    answer(rig.sentTo(b))
    expect([recorded, outcomes.heard]).toEqual([
      ['success', 'ignored'],
      ['head 200', 'complete'],
    ])
    expect([rig.inflight, rig.transports.get(a?.origin ?? '')?.released]).toEqual([[0, 0, 0], ['cancelled']])
  })

  test('where its caller has aborted, and one that has failed before has its own outcome only', async () => {
    const { parts, recorded } = recording()
    const { rig, outcomes } = await hedged(parts)
    rig.sentTo(a).onError(refused())
    outcomes.abort?.()
    expect(recorded).toEqual(['local_failure', 'ignored'])
    expect(rig.inflight).toEqual([0, 0, 0])
  })
})

describe('what was not written goes on, free of charge,', () => {
  const many = Array.from({ length: 20 }, (_, port) => instanceAt(`http://10.0.0.1:${port + 1}`))

  /** How many endpoints one call has tried that all refuse it. */
  async function triedBy(rig: CallRig): Promise<{ tried: number; message: string | undefined }> {
    const outcomes = rig.send()
    let tried = 0
    while (outcomes.error === undefined) {
      const next = many.find((instance) => rig.endpoint(instance).inflight > 0)
      rig.sentTo(next).onError(refused())
      tried++
      await rig.settle()
    }
    return { tried, message: outcomes.error.message }
  }

  test('to ten endpoints at most', async () => {
    const rig = new CallRig()
    await rig.list(many)
    const { tried, message } = await triedBy(rig)
    expect([tried, message]).toEqual([10, expect.stringContaining('10 endpoints were tried')])
  })

  test('and to four where none is available', async () => {
    const rig = new CallRig({ panicThreshold: 0.5 })
    await rig.list(many)
    const open = {
      state: 'unavailable',
      reason: 'circuit_open',
      kind: 'health',
      since: 0,
      until: undefined,
    } as const
    for (const instance of many) rig.endpoint(instance).restrict(open)
    const { tried, message } = await triedBy(rig)
    expect([tried, message]).toEqual([
      4,
      expect.stringContaining('no endpoint is available, and 4 were tried'),
    ])
  })
})
