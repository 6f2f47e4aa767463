import { expect, test } from 'vitest'
import { Events, type FairleadEvent } from '../observe/events.js'
import { fleet, Rig } from './cluster.test.support.js'

const [a, b] = fleet
if (a === undefined || b === undefined) throw new Error('there are six')

/** Notes these events. */
function hearing(...types: FairleadEvent['type'][]): { rig: Rig; heard: FairleadEvent[] } {
  const heard: FairleadEvent[] = []
  const events = new Events({
    traffic: false,
    hear: (event) => {
      if (types.includes(event.type)) heard.push(event)
    },
  })
  return { rig: new Rig({ events, governor: undefined }), heard }
}

test('a set that changes the endpoints is told with what has changed, and one that does not is not', async () => {
  const { rig, heard } = hearing('cluster:changed')
  await rig.start([a])
  await rig.list([a])
  await rig.list([b], {
    excluded: [{ key: 'node/orders', kind: 'unhealthy', reason: 'a check is critical', priority: 0 }],
  })
  expect(heard).toEqual([
    {
      type: 'cluster:changed',
      service: 'orders',
      instances: 1,
      added: ['10.0.0.1:1'],
      removed: [],
      excluded: [],
    },
    {
      type: 'cluster:changed',
      service: 'orders',
      instances: 1,
      added: ['10.0.0.1:2'],
      removed: ['10.0.0.1:1'],
      excluded: ['node/orders: a check is critical'],
    },
  ])
})

test('each answer of discovery is told with how much it holds, and a recovery after a failure only', async () => {
  const { rig, heard } = hearing('discovery:answered', 'discovery:recovered')
  await rig.start([a, b])
  await rig.fail('cut off')
  await rig.list([a], { suspect: 'no leader' })
  const about = { service: 'orders', resolver: rig.resolver.name }
  expect(heard).toEqual([
    { type: 'discovery:answered', ...about, instances: 2, excluded: 0, suspect: undefined },
    { type: 'discovery:answered', ...about, instances: 1, excluded: 0, suspect: 'no leader' },
    { type: 'discovery:recovered', ...about, instances: 1 },
  ])
})
