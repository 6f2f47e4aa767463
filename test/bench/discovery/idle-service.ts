import { setTimeout as pause } from 'node:timers/promises'
import { Rig } from './rig.js'
import type { Topic } from './topic.js'

// The shortest there is, so that it is seen often.
const WAIT_MS = 1000

/** (e) A service where nothing happens. */
export const idleService: Topic = {
  title: 'A service that does not change',
  figures: { 'questions for each wait that was over': { unit: '', atMost: 1 } },
  async measure(surroundings) {
    const services = [{ name: 'orders', instances: 3 }]
    await using rig = await Rig.start(surroundings, { services, subject: { waitMs: WAIT_MS } })
    await rig.subject.open(['orders'])
    await rig.change('orders', { kind: 'weights', count: 1 })
    const before = await rig.count()
    await pause((surroundings.quick ? 3.5 : 10.5) * WAIT_MS)
    const after = await rig.count()
    return {
      'questions for each wait that was over':
        (after.queries - before.queries) / (after.expired - before.expired),
    }
  },
}
