import { Rig } from './rig.js'
import { percentile, type Topic } from './topic.js'

// Each watch asks four times a second, after a burst of five: with so many services changes need not wait for it.
const SERVICES = 20

/** (a) From the agent's answer to the picker, one instance of `instances` changed. */
export function changesOf(instances: number): Topic {
  return {
    title: `A change, ${instances} instances: from the agent's answer to the picker`,
    figures: { p50: { unit: 'ms' }, p99: { unit: 'ms', atMost: 50 } },
    async measure(surroundings) {
      const names = Array.from({ length: SERVICES }, (_, index) => `orders-${index}`)
      const services = names.map((name) => ({ name, instances }))
      await using rig = await Rig.start(surroundings, { services })
      await rig.subject.open(names)
      const delays: number[] = []
      for (let round = 0; round < (surroundings.quick ? 5 : 15); round++) {
        for (const name of names) {
          const { version, toldAt } = await rig.change(name, { kind: 'weights', count: 1 })
          delays.push((await rig.subject.arrival(name, version)) - toldAt)
        }
      }
      return { p50: percentile(delays, 0.5), p99: percentile(delays, 0.99) }
    },
  }
}
