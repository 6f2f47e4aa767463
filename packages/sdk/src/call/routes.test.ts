import { expect, test } from 'vitest'
import { parseOptions, type ClientOptions } from '../client-options.js'
import { answer, CallRig, THREE } from './call.test.support.js'

const [a, b] = THREE

test.each([
  ['GET', '/v1/orders', 'orders'],
  ['GET', '/v1/orders?x=1', 'orders'],
  ['GET', '/v1/orders/7', 'below'],
  ['DELETE', '/v1/orders/7', 'writes'],
  ['PUT', '/v1/other', 'writes'],
  ['GET', '/reports/2026-11', 'reports'],
  ['GET', '/', undefined],
])('%s %s goes by the first route that fits: %s', async (method, path, expected) => {
  const names = ['writes', 'orders', 'below', 'reports']
  const routes = [
    { match: { method: ['DELETE', 'PUT'] }, timeoutMs: 1 },
    { match: { path: '/v1/orders' }, timeoutMs: 2 },
    { match: { path: '/v1/*', method: 'GET' }, timeoutMs: 3 },
    { match: { path: /^\/reports\/\d{4}-\d\d$/ }, timeoutMs: 4 },
  ]
  const rig = new CallRig({ routes, timeoutMs: 9 })
  await rig.list()
  const caller = rig.send({ method: method as 'GET', path })
  await rig.clock.advance(10)
  const index = expected === undefined ? -1 : names.indexOf(expected)
  expect(caller.error?.message).toContain(`after ${index < 0 ? 9 : index + 1} ms (option timeoutMs)`)
})

test('what a request says itself goes before its route, and its route before the client', async () => {
  const rig = new CallRig({
    timeoutMs: 90,
    routes: [{ match: { path: '/a' }, timeoutMs: 50, idempotent: true, retry: { attempts: 3 } }],
  })
  await rig.list()
  const own = rig.send({ path: '/a', timeoutMs: 20, idempotent: false, method: 'POST' })
  answer(rig.sentTo(a), 503)
  await rig.settle()
  expect(own.heard).toEqual(['head 503', 'complete'])
  const routed = rig.send({ path: '/a', method: 'POST' })
  answer(rig.sentTo(a), 503)
  await rig.settle()
  answer(rig.sentTo(b))
  expect(routed.heard).toEqual(['head 200', 'complete'])
})

test('a route whose requests must not be sent twice says so to the connections too', async () => {
  const rig = new CallRig({ routes: [{ match: { path: '/charge' }, idempotent: false }] })
  await rig.list()
  rig.send({ path: '/charge' })
  expect(rig.sentTo(a).options.idempotent).toBe(false)
  rig.send({ path: '/charge', idempotent: true })
  expect(rig.sentTo(a).options.idempotent).toBe(true)
})

test('retries and hedges by route', async () => {
  const rig = new CallRig({
    hedge: { afterMs: 10 },
    retry: { statuses: [503] },
    routes: [
      { match: { path: '/once' }, retry: false, hedge: false },
      { match: { path: '/also-500' }, retry: { statuses: [500] } },
    ],
  })
  await rig.list()
  const once = rig.send({ path: '/once' })
  await rig.clock.advance(20)
  expect(rig.inflight).toEqual([1, 0, 0])
  answer(rig.sentTo(a), 503)
  expect(once.heard).toEqual(['head 503', 'complete'])

  const also = rig.send({ path: '/also-500' })
  answer(rig.sentTo(a), 500)
  await rig.settle()
  answer(rig.sentTo(b))
  expect(also.heard).toEqual(['head 200', 'complete'])

  rig.send({ path: '/as-usual' })
  await rig.clock.advance(20)
  expect(rig.inflight).toEqual([1, 1, 0])
})

test.each([
  [{}, /^routes\[0\]\.match is missing/],
  [{ match: { path: 'v1' } }, /^routes\[0\]\.match\.path is 'v1': it must be a path from its slash on/],
  [{ match: { path: '/a?b' } }, /^routes\[0\]\.match\.path is '\/a\?b'/],
  [
    { match: { path: '/a#b' } },
    /^routes\[0\]\.match\.path is '\/a#b': it must be .* without query and fragment/,
  ],
  [{ match: { path: '/a b' } }, /^routes\[0\]\.match\.path is '\/a b': it must be .*%20 for a space/],
  [{ match: { path: '/a\n' } }, /^routes\[0\]\.match\.path is '\/a\\n'/],
  [{ match: { path: '/a\n*' } }, /^routes\[0\]\.match\.path is '\/a\\n\*'/],
  [{ match: { path: '/\u0100' } }, /^routes\[0\]\.match\.path is /],
  [{ match: { path: '/*/b' } }, /^routes\[0\]\.match\.path is '\/\*\/b'/],
  [{ match: { path: /a/g } }, /^routes\[0\]\.match\.path is .*without the flags g and y/],
  [{ match: { method: [] } }, /^routes\[0\]\.match\.method.* a method in capitals/],
  [{ match: { method: 'get' } }, /^routes\[0\]\.match\.method.* a method in capitals/],
  [{ match: { host: 'x' } }, /unknown option routes\[0\]\.match\.host/],
  [{ match: {}, timeoutMs: 0 }, /^routes\[0\]\.timeoutMs is 0/],
  [{ match: {}, hedge: true }, /^routes\[0\]\.hedge is true: it must be false or an object of options$/],
  [
    { match: {}, hedge: { afterMs: 5, percentile: 90 } },
    /^routes\[0\]\.hedge is .*: it must be either \{ afterMs \} or \{ percentile, minMs \}$/,
  ],
  [{ match: {}, hedge: { afterMs: 0 } }, /^routes\[0\]\.hedge\.afterMs is 0: it must be a whole number/],
  [{ match: {}, hedge: { after: 1 } }, /^unknown option routes\[0\]\.hedge\.after/],
  [{ match: {}, retry: { budgetRatio: 1 } }, /routes\[0\]\.retry\.budgetRatio/],
])('%j is refused', (route, message) => {
  const options = { routes: [route] } as unknown as ClientOptions
  expect(() => parseOptions('orders', options, {})).toThrow(message)
})
