import { expect, test } from 'vitest'
import type { Balancer } from '../balance/picker.js'
import { fleet, Rig } from '../cluster/cluster.test.support.js'

test('over 1,000 rebuilds an endpoint is observed by its last picker only, though a layer forgets to pass close on', async () => {
  let calls = 0
  let builds = 0
  const forgetful: Balancer = (endpoints) => {
    builds++
    for (const endpoint of endpoints) endpoint.onLoadChange(() => calls++)
    // One in ten is never made to the end.
    if (builds % 10 === 0) throw new Error('out of order')
    return { pick: () => endpoints[0] }
  }
  const rig = new Rig({ policy: { current: { balancer: forgetful }, update: () => undefined } })
  for (let n = 0; n < 1001; n++) {
    const instances = fleet.map((instance) => ({ ...instance, weight: 1 + (n % 2) }))
    await rig.cluster.update({ kind: 'snapshot', instances, excluded: [] })
  }
  expect(builds).toBe(1001)
  for (const endpoint of rig.cluster.endpoints) endpoint.begin()
  expect(calls).toBe(fleet.length)
  await rig.cluster.close()
})
