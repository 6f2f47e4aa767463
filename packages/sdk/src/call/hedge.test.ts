import { expect, test } from 'vitest'
import type { ClientOptions } from '../client-options.js'
import type { FairleadEvent } from '../observe/events.js'
import { answer, CallRig, THREE } from './call.test.support.js'
import type { CallOptions } from './call-options.js'

const [a, b, c] = THREE

async function listed(options: ClientOptions = {}, instances = THREE): Promise<CallRig> {
  const rig = new CallRig(options)
  await rig.list(instances)
  return rig
}

/** How many attempts were begun. */
function attempts(rig: CallRig): number {
  return rig.published.filter(({ type }: FairleadEvent) => type === 'attempt:start').length
}

test('a request that takes long is sent elsewhere as well, the first answer wins, the loser is cancelled', async () => {
  const rig = await listed({ hedge: { afterMs: 50 } })
  const caller = rig.send()
  await rig.clock.advance(49)
  expect(attempts(rig)).toBe(1)
  await rig.clock.advance(1)
  expect(attempts(rig)).toBe(2)
  expect(rig.inflight).toEqual([1, 1, 0])
  answer(rig.sentTo(b))
  expect(caller.heard).toEqual(['head 200', 'complete'])
  expect(rig.inflight).toEqual([0, 0, 0])
  expect(rig.transports.get(a?.origin ?? '')?.released).toEqual(['cancelled'])
})

test('one that is answered before is not, and one hedge is all', async () => {
  const rig = await listed({ hedge: { afterMs: 50 } })
  answer(rig.sentTo((rig.send(), a)))
  await rig.clock.advance(500)
  expect(attempts(rig)).toBe(1)
  rig.send()
  await rig.clock.advance(500)
  expect(attempts(rig)).toBe(3)
})

test('after the percentile of recent latency, once that is known', async () => {
  const rig = await listed({ hedge: { percentile: 95 } })
  rig.send()
  await rig.clock.advance(1000)
  expect(attempts(rig)).toBe(1)
  answer(rig.sentTo(a))
  // Measured as endpoints are: by what they answer.
  for (let n = 0; n < 100; n++) rig.recent.record(n < 94 ? 10 : 80, rig.clock.now())
  await rig.clock.advance(300)
  rig.send()
  await rig.clock.advance(79)
  expect(attempts(rig)).toBe(2)
  await rig.clock.advance(10)
  expect(attempts(rig)).toBe(3)
})

test.each([
  ['a POST', { method: 'POST', body: 'x' }, {}],
  ['a body that is a stream', { method: 'PUT', body: (async function* () {})() }, {}],
  ['one that is a retry itself', { headers: { 'grpc-previous-rpc-attempts': '1' } }, {}],
  ['a spent budget', {}, { retry: { budgetRatio: 0, budgetMinPerSecond: 0 } }],
] as [string, Partial<CallOptions>, ClientOptions][])('never: %s', async (_, request, options) => {
  const rig = await listed({ hedge: { afterMs: 50 }, ...options })
  rig.send(request)
  await rig.clock.advance(500)
  expect(attempts(rig)).toBe(1)
})

test('where there is no other endpoint there is none, and no budget is spent', async () => {
  const rig = await listed({ hedge: { afterMs: 50 } }, THREE.slice(0, 1))
  const before = rig.budget.balance(rig.clock.now())
  const caller = rig.send()
  await rig.clock.advance(500)
  expect(attempts(rig)).toBe(1)
  expect(rig.budget.balance(rig.clock.now())).toBeCloseTo(before + 0.2)
  answer(rig.sentTo(a))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('one that fails while the other is under way ends nothing', async () => {
  const rig = await listed({ hedge: { afterMs: 50 } })
  const caller = rig.send()
  await rig.clock.advance(50)
  rig.sentTo(b).onError(new Error('reset'))
  await rig.settle()
  expect(caller.heard).toEqual([])
  answer(rig.sentTo(a))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('a 503 of one waits for the other', async () => {
  const rig = await listed({ hedge: { afterMs: 50 } })
  const caller = rig.send()
  await rig.clock.advance(50)
  answer(rig.sentTo(a), 503)
  await rig.settle()
  expect(caller.heard).toEqual([])
  answer(rig.sentTo(b))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('no timer is left when a call ends, in whatever way', async () => {
  const rig = await listed({ hedge: { afterMs: 50 }, retry: { perTryTimeoutMs: 70 }, timeoutMs: Infinity })
  const answered = rig.send()
  answer(rig.sentTo(a))
  expect(answered.heard).toHaveLength(2)
  const aborted = rig.send()
  aborted.abort?.()
  await rig.clock.advance(25)
  // Endpoints watch their own loop for a moment.
  expect(rig.clock.pending).toBe(0)
})

test('an attempt whose time is over is given up for one elsewhere', async () => {
  const rig = await listed({ retry: { perTryTimeoutMs: 40, attempts: 3 } })
  const caller = rig.send()
  rig.sentTo(a).carrier = {}
  rig.sentTo(a).onConnect(() => undefined)
  await rig.clock.advance(40)
  expect(rig.inflight).toEqual([0, 1, 0])
  rig.sentTo(b).onConnect(() => undefined)
  await rig.clock.advance(40)
  expect(rig.inflight).toEqual([0, 0, 1])
  // The last of three is given what is left of the deadline.
  await rig.clock.advance(4000)
  expect(rig.inflight).toEqual([0, 0, 1])
  answer(rig.sentTo(c))
  expect(caller.heard).toEqual(['head 200', 'complete'])
  expect(rig.published).toContainEqual(
    expect.objectContaining({ type: 'attempt:end', attempt: 1, outcome: 'local_failure' }),
  )
})

test('an attempt is not given up where nothing can take its place', async () => {
  const rig = await listed({ retry: { perTryTimeoutMs: 40 } })
  const caller = rig.send({ method: 'POST', body: 'x' })
  await rig.clock.advance(400)
  expect(rig.inflight).toEqual([1, 0, 0])
  answer(rig.sentTo(a))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('the same endpoint is asked again after a pause only, which grows', async () => {
  const rig = await listed({ retry: { attempts: 3 } }, THREE.slice(0, 1))
  const caller = rig.send()
  rig.sentTo(a).onError(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
  await rig.settle()
  expect(attempts(rig)).toBe(1)
  await rig.clock.advance(25)
  expect(attempts(rig)).toBe(2)
  rig.sentTo(a).onError(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
  await rig.clock.advance(50)
  expect(attempts(rig)).toBe(3)
  answer(rig.sentTo(a))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('of several that cannot be written a request goes to each endpoint that there is, for free', async () => {
  const rig = await listed({ retry: { attempts: 2, budgetRatio: 0, budgetMinPerSecond: 0 } })
  const caller = rig.send({ method: 'POST', body: 'x' })
  for (const instance of [a, b]) {
    rig.sentTo(instance).onError(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
    await rig.settle()
  }
  answer(rig.sentTo(c))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('a hedge that begins while the first one rests takes its place, and one end is heard', async () => {
  const rig = await listed({ hedge: { afterMs: 10 } }, THREE.slice(0, 1))
  const caller = rig.send()
  rig.sentTo(a).onConnect(() => undefined)
  rig.sentTo(a).onError(new Error('reset'))
  await rig.settle()
  await rig.list(THREE.slice(0, 2))
  await rig.clock.advance(300)
  const { sent } = rig.transports.get(b?.origin ?? '') ?? { sent: [] }
  const others = rig.transports.get(a?.origin ?? '')?.sent ?? []
  for (const request of [...sent, ...others.slice(1)]) answer(request)
  expect(caller.heard).toEqual(['head 200', 'complete'])
  expect(rig.inflight).toEqual([0, 0])
})

test('the loser says how long it would have taken at least, and a slow endpoint is known for it', async () => {
  const rig = await listed({ hedge: { afterMs: 50 } })
  const endpoint = rig.endpoint(a)
  for (let n = 0; n < 20; n++) {
    rig.send()
    rig.sentTo(a).onConnect(() => undefined)
    rig.sentTo(a).onRequestSent?.()
    await rig.clock.advance(50)
    await rig.clock.advance(20)
    answer(rig.sentTo(b))
  }
  expect(endpoint.estimateUs(rig.clock.now()) / 1000).toBeGreaterThan(60)
})

test('with retries off a hedge still has a budget, and its fast 503 waits for the other', async () => {
  const rig = await listed({ hedge: { afterMs: 50 }, retry: false })
  const caller = rig.send()
  await rig.clock.advance(50)
  answer(rig.sentTo(b), 503)
  await rig.settle()
  expect(caller.heard).toEqual([])
  answer(rig.sentTo(a))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('when a call ends, what is left of an answer that was replaced is cancelled', async () => {
  const rig = await listed()
  const caller = rig.send()
  rig.sentTo(a).onConnect(() => undefined)
  rig.sentTo(a).onRequestSent?.()
  rig.sentTo(a).onHeaders(503, [], () => undefined, '')
  await rig.settle()
  rig.sentTo(b).onConnect(() => undefined)
  rig.sentTo(b).onError(new Error('reset'))
  await rig.settle()
  expect(caller.heard).toEqual(['error'])
  expect(rig.inflight).toEqual([0, 0, 0])
})
