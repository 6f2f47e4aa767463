import { expect, test } from 'vitest'
import { fleet, Rig, SECOND } from './cluster.test.support.js'
import { RemovalGovernor } from './removal-governor.js'
import { Reserve } from './retained.js'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

test('calls once for all that ends in one turn, and not at all once it is closed', async () => {
  const rig = new Rig()
  await rig.start(fleet)
  let ends = 0
  const reserve = new Reserve({
    service: 'orders',
    governor: new RemovalGovernor({
      share: 0.5,
      windowMs: SECOND,
      holdMs: 60 * SECOND,
      maxHoldMs: 600 * SECOND,
    }),
    onEnd: () => ends++,
    clock: rig.clock,
    logger: silent,
  })
  reserve.take({ kind: 'snapshot', instances: fleet, excluded: [] })
  reserve.take({ kind: 'snapshot', instances: [], excluded: [] })
  const [a, b, c, d] = rig.present
  for (const endpoint of [a, b, c]) if (endpoint !== undefined) reserve.unreachable(endpoint, 'refused')
  expect(ends).toBe(0)
  await rig.settle()
  expect(ends).toBe(1)
  expect(reserve.held).toHaveLength(3)
  if (d !== undefined) reserve.unreachable(d, 'refused')
  reserve.close()
  await rig.settle()
  await rig.clock.advance(600 * SECOND)
  expect(ends).toBe(1)
})
