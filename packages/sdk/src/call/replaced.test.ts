import { expect, test } from 'vitest'
import type { ClientOptions } from '../client-options.js'
import { within } from '../deadline/current-deadline.js'
import { incomingDeadline } from '../deadline/deadline-header.js'
import { withDeadline } from '../deadline/with-deadline.js'
import { toDispatchHandler } from '../transport/handler.js'
import type { TransportRequest } from '../transport/transport.js'
import { answer, CallRig, Outcomes, THREE } from './call.test.support.js'
import type { CallOptions } from './call-options.js'

const [a, b, c] = THREE

async function listed(options: ClientOptions = {}, instances = THREE): Promise<CallRig> {
  const rig = new CallRig(options)
  await rig.list(instances)
  return rig
}

/** The head of an answer; its body comes later. */
function head(request: TransportRequest, statusCode: number, headers: readonly string[] = []): void {
  request.onConnect(() => undefined)
  request.onRequestSent?.()
  request.onHeaders(
    statusCode,
    headers.map((each) => Buffer.from(each)),
    () => undefined,
    '',
  )
}

test.each([502, 503, 504])(
  'an answer %i is replaced by that of another endpoint, and never seen',
  async (status) => {
    const rig = await listed()
    const caller = rig.send()
    head(rig.sentTo(a), status)
    await rig.settle()
    answer(rig.sentTo(b))
    expect(caller.heard).toEqual(['head 200', 'complete'])
    // What is left of the first is read for its connection, until the call has its answer.
    expect(rig.inflight).toEqual([0, 0, 0])
    expect(rig.published).toContainEqual(
      expect.objectContaining({ type: 'attempt:failed', attempt: 1, final: undefined }),
    )
  },
)

test.each([
  ['a 500', {}, {}, 500],
  ['a status that is not listed', {}, { retry: { statuses: [503] } }, 502],
  ['a POST', { method: 'POST', body: 'x' }, {}, 503],
  ['retries that are off', {}, { retry: false }, 503],
  ['a request that is a retry itself', { headers: { 'x-envoy-attempt-count': '2' } }, {}, 503],
  ['a spent budget', {}, { retry: { budgetRatio: 0, budgetMinPerSecond: 0 } }, 503],
] as [string, Partial<CallOptions>, ClientOptions, number][])(
  'the answer is the caller’s at once: %s',
  async (_, request, options, status) => {
    const rig = await listed(options)
    const caller = rig.send(request)
    answer(rig.sentTo(a), status)
    await rig.settle()
    expect(caller.heard).toEqual([`head ${status}`, 'complete'])
    expect(rig.transports.get(b?.origin ?? '')).toBeUndefined()
  },
)

test.each([
  ['idempotent by its own word', { method: 'POST', body: 'x', idempotent: true }],
  ['with an Idempotency-Key', { method: 'POST', body: 'x', headers: { 'Idempotency-Key': '8e03978e' } }],
] as [string, Partial<CallOptions>][])('a POST that is %s is tried elsewhere', async (_, request) => {
  const rig = await listed()
  const caller = rig.send(request)
  answer(rig.sentTo(a), 503)
  await rig.settle()
  answer(rig.sentTo(b))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('where there is no other endpoint, or the last attempt is answered so too, the answer is the caller’s', async () => {
  const alone = await listed({}, THREE.slice(0, 1))
  const first = alone.send()
  answer(alone.sentTo(a), 503)
  expect(first.heard).toEqual(['head 503', 'complete'])

  const rig = await listed()
  const second = rig.send()
  answer(rig.sentTo(a), 503)
  await rig.settle()
  answer(rig.sentTo(b), 502)
  await rig.settle()
  expect(second.heard).toEqual(['head 502', 'complete'])
})

test('429 with Retry-After goes elsewhere, and without it is the caller’s', async () => {
  const rig = await listed()
  const caller = rig.send()
  head(rig.sentTo(a), 429, ['Retry-After', '3'])
  await rig.settle()
  answer(rig.sentTo(b))
  expect(caller.heard).toEqual(['head 200', 'complete'])

  const other = await listed()
  const second = other.send()
  answer(other.sentTo(a), 429)
  expect(second.heard).toEqual(['head 429', 'complete'])
})

test('an upload that is under way when the answer comes is cut, and one that was sent whole is sent again', async () => {
  const rig = await listed()
  const caller = rig.send({ method: 'PUT', body: 'text' })
  const request = rig.sentTo(a)
  request.onConnect(() => undefined)
  // Not sent to its end.
  request.onHeaders(503, [], () => undefined, '')
  await rig.settle()
  expect(rig.transports.get(a?.origin ?? '')?.released).toEqual(['cancelled'])
  answer(rig.sentTo(b))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('what is left of an answer that is not wanted is read up to 64 KiB', async () => {
  const rig = await listed()
  rig.send()
  const request = rig.sentTo(a)
  head(request, 503)
  await rig.settle()
  expect(request.onData(Buffer.alloc(64 * 1024))).toBe(true)
  expect(rig.inflight).toEqual([1, 1, 0])
  request.onData(Buffer.alloc(1))
  expect(rig.inflight).toEqual([0, 1, 0])
  expect(rig.transports.get(a?.origin ?? '')?.released).toEqual(['cancelled'])
})

test('an answer that is not wanted and breaks off ends nothing', async () => {
  const rig = await listed()
  const caller = rig.send()
  head(rig.sentTo(a), 503)
  rig.sentTo(a).onError(new Error('cut'))
  await rig.settle()
  expect(caller.heard).toEqual([])
  answer(rig.sentTo(b))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('a failure of the one that took its place is the caller’s, with both named', async () => {
  const rig = await listed()
  const caller = rig.send()
  answer(rig.sentTo(a), 503)
  await rig.settle()
  rig.sentTo(b).onConnect(() => undefined)
  rig.sentTo(b).onError(new Error('cut'))
  await rig.settle()
  expect(caller.error).toMatchObject({
    code: 'ATTEMPTS_EXHAUSTED',
    errors: [{ statusCode: 503, message: 'orders at 10.0.0.1:1 answered 503' }, { message: 'cut' }],
  })
})

test('after three attempts by option', async () => {
  const rig = await listed({ retry: { attempts: 3 } })
  const caller = rig.send()
  for (const instance of [a, b]) {
    answer(rig.sentTo(instance), 503)
    await rig.settle()
  }
  answer(rig.sentTo(c))
  expect(caller.heard).toEqual(['head 200', 'complete'])
})

test('the deadline ends a call between two attempts, and an answer that comes with it is the caller’s', async () => {
  const rig = await listed({ timeoutMs: 100 })
  const caller = rig.send()
  rig.clock.holdUp(150)
  answer(rig.sentTo(a), 503)
  expect(caller.heard).toEqual(['head 503', 'complete'])
})

test('what is done for a retry is not written twice, also where a deadline of its own is within', async () => {
  const rig = await listed()
  const retry = incomingDeadline({ 'x-envoy-attempt-count': '2' }, 1000, rig.clock)
  if (retry === undefined) throw new Error('it is of a retry')
  const caller = new Outcomes()
  within(retry, () =>
    withDeadline(
      500,
      () => rig.dispatcher.dispatch({ method: 'GET', path: '/' }, toDispatchHandler(caller)),
      {
        clock: rig.clock,
      },
    ),
  )
  answer(rig.sentTo(a), 503)
  await rig.settle()
  expect(caller.heard).toEqual(['head 503', 'complete'])
})

test('endpoints are told which attempt it is, by option', async () => {
  const rig = await listed({ retry: { attemptHeader: 'X-Attempt' } })
  rig.send({ headers: ['accept', '*/*'] })
  expect(rig.sentTo(a).toSend?.().headers).toEqual(['accept', '*/*', 'X-Attempt', '1'])
  answer(rig.sentTo(a), 503)
  await rig.settle()
  expect(rig.sentTo(b).toSend?.().headers).toEqual(['accept', '*/*', 'X-Attempt', '2'])
  answer(rig.sentTo(b))
  // On top of what its caller has counted.
  rig.send({ headers: { 'x-attempt': '1' } })
  answer(rig.sentTo(a), 503)
  await rig.settle()
  expect(rig.sentTo(b).toSend?.().headers).toEqual({ 'X-Attempt': '2' })
  answer(rig.sentTo(b))
  // Who counts already knows better.
  const caller = rig.send({ headers: { 'x-attempt': '4' } }, new Outcomes())
  expect(rig.sentTo(a).toSend?.().headers).toEqual({ 'x-attempt': '4' })
  answer(rig.sentTo(a), 503)
  expect(caller.heard).toEqual(['head 503', 'complete'])
})
