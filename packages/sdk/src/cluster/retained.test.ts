import { expect, test } from 'vitest'
import { fleet, Rig, SECOND } from './cluster.test.support.js'
import { RemovalGovernor } from './removal-governor.js'
import { Events, type FairleadEvent } from '../observe/events.js'
import { RetainedInstances } from './retained.js'

test('calls once for all that ends in one turn, and not at all once it is closed', async () => {
  const rig = new Rig()
  await rig.start(fleet)
  let ends = 0
  const retained = new RetainedInstances({
    service: 'orders',
    governor: new RemovalGovernor({
      share: 0.5,
      windowMs: SECOND,
      retainMs: 60 * SECOND,
      maxRetainMs: 600 * SECOND,
    }),
    onEnd: () => ends++,
    clock: rig.clock,
    events: new Events(),
  })
  retained.consider({ kind: 'snapshot', instances: fleet, excluded: [] }).adopt()
  retained.consider({ kind: 'snapshot', instances: [], excluded: [] }).adopt()
  const [a, b, c, d] = rig.present
  for (const endpoint of [a, b, c]) if (endpoint !== undefined) retained.unreachable(endpoint, 'refused')
  expect(ends).toBe(0)
  await rig.settle()
  expect(ends).toBe(1)
  expect(retained.all).toHaveLength(3)
  if (d !== undefined) retained.unreachable(d, 'refused')
  retained.close()
  await rig.settle()
  await rig.clock.advance(600 * SECOND)
  expect(ends).toBe(1)
})

test('ends in one turn after another are each told, as are the first answer of one and what has expired', async () => {
  const rig = new Rig()
  await rig.start(fleet)
  const told: FairleadEvent[] = []
  let ends = 0
  const retained = new RetainedInstances({
    service: 'orders',
    governor: new RemovalGovernor({
      share: 0.5,
      windowMs: SECOND,
      retainMs: 60 * SECOND,
      maxRetainMs: 600 * SECOND,
    }),
    onEnd: () => ends++,
    clock: rig.clock,
    events: new Events({ traffic: false, hear: (event) => void told.push(event) }),
  })
  retained.consider({ kind: 'snapshot', instances: fleet.slice(0, 3), excluded: [] }).adopt()
  retained.consider({ kind: 'snapshot', instances: [], excluded: [] }).adopt()
  told.length = 0
  const [a, b, c] = rig.present
  if (a === undefined || b === undefined || c === undefined) throw new Error('there are six')
  retained.unreachable(a, 'refused')
  await rig.settle()
  retained.unreachable(b, 'refused')
  await rig.settle()
  expect(ends).toBe(2)
  await rig.clock.advance(30 * SECOND)
  retained.answered(c)
  expect(told).toHaveLength(3)
  retained.answered(c)
  // The time that it had at first ends, and is not its time any more.
  await rig.clock.advance(30 * SECOND)
  expect(ends).toBe(2)
  await rig.clock.advance(30 * SECOND)
  expect([ends, retained.all]).toEqual([3, []])
  expect(told).toEqual([
    { type: 'retained:unreachable', service: 'orders', endpoint: '10.0.0.1:1', reason: 'refused' },
    { type: 'retained:unreachable', service: 'orders', endpoint: '10.0.0.1:2', reason: 'refused' },
    { type: 'retained:confirmed', service: 'orders', endpoint: '10.0.0.1:3' },
    { type: 'retained:expired', service: 'orders', removed: ['10.0.0.1:3'] },
  ])
  retained.close()
})
