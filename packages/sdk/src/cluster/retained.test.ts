import { expect, test } from 'vitest'
import { fleet, Rig, SECOND } from './cluster.test.support.js'
import { RemovalGovernor } from './removal-governor.js'
import { Events } from '../observe/events.js'
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
