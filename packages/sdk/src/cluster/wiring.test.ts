import { expect, test } from 'vitest'
import type { ExcludedInstance, Instance } from '../discovery/resolver.js'
import { DOUBT, fleet, Rig, SECOND } from './cluster.test.support.js'

const [a, b, c] = fleet
if (a === undefined || b === undefined || c === undefined) throw new Error('there are six')

const unhealthy = (port: number): ExcludedInstance => ({
  key: `node/orders@10.0.0.1:${port}`,
  kind: 'unhealthy',
  reason: 'a check is critical',
  priority: 0,
})

test('two registrations of one address are one endpoint, which knows both', async () => {
  const rig = new Rig()
  const registered = (id: string): Instance => ({ ...a, key: `node/${id}@10.0.0.1:1` })
  await rig.start([registered('y'), registered('x')])
  expect(rig.cluster.endpoints.map(({ instance }) => instance)).toMatchObject([
    { origin: a.origin, registrations: ['node/x@10.0.0.1:1', 'node/y@10.0.0.1:1'] },
  ])
})

test('how much is excluded is news to the picker, but not of an address that is used', async () => {
  const rig = new Rig()
  await rig.start([a, b])
  expect(rig.built).toHaveLength(1)
  await rig.list([a, b], { excluded: [unhealthy(1)] })
  expect(rig.built).toHaveLength(1)
  await rig.list([a, b], { excluded: [unhealthy(1), unhealthy(8)] })
  expect(rig.built).toHaveLength(2)
  await rig.list([a, b], { excluded: [unhealthy(1), unhealthy(9)] })
  expect(rig.built).toHaveLength(2)
  await rig.list([a, b], { excluded: [unhealthy(8), unhealthy(9)] })
  expect(rig.built).toHaveLength(3)
})

test('the last of a set that is retained from now on gets no request while another can', async () => {
  const rig = new Rig()
  await rig.start([a, b, c])
  await rig.list([a, b], { suspect: DOUBT })
  // The same endpoints in the same order.
  expect(rig.cluster.endpoints.map(({ instance }) => instance)).toEqual([a, b, c])
  const picked = Array.from({ length: 6 }, () => rig.cluster.pick({ now: 0, tried: [] })?.instance)
  expect(new Set(picked)).toEqual(new Set([a, b]))
})

test('an endpoint is new again when it is listed again, and not while it stays retained', async () => {
  const rig = new Rig()
  await rig.start([a, b, c])
  const { usableSince } = rig.endpoint(c)
  await rig.clock.advance(SECOND)
  await rig.list([a, b], { suspect: DOUBT })
  await rig.list([a, b], { suspect: 'another doubt' })
  expect(rig.endpoint(c)).toMatchObject({ retained: true, usableSince })
  await rig.list([a, b, c])
  expect(rig.endpoint(c)).toMatchObject({ retained: false, usableSince: Math.floor(rig.clock.now()) })
})

test('why endpoints are unavailable is told by the clock', async () => {
  const rig = new Rig()
  await rig.start([a])
  await rig.clock.advance(SECOND)
  const until = rig.clock.now() + 250
  rig.endpoint(a).restrict({ reason: 'ejected', kind: 'health', state: 'unavailable', since: 0, until })
  expect(rig.cluster.whyUnavailable(rig.cluster.endpoints)).toBe(
    'ejected (1), the first until 250 ms from now',
  )
})
