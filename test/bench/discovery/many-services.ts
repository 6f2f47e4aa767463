import { setTimeout as pause } from 'node:timers/promises'
import { Rig } from './rig.js'
import type { Topic } from './topic.js'

const SERVICES = 500
const INSTANCES = 3

/** (c) Many services in one process. */
export const manyServices: Topic = {
  title: `${SERVICES} services of ${INSTANCES} instances`,
  figures: {
    'connections to the agent, just after the start': { unit: '' },
    'connections to the agent, later': { unit: '' },
    'heap a service': { unit: 'kB' },
    'start: CPU to make the clients': { unit: 'ms' },
    'start: CPU until all are ready': { unit: 'ms' },
    'start: longest stall': { unit: 'ms' },
    'start: longest stall of its own doing': { unit: 'ms' },
    'idle: CPU': { unit: '% of a core' },
    'a change: CPU': { unit: 'ms' },
  },
  async measure(surroundings) {
    const names = Array.from({ length: SERVICES }, (_, index) => `service-${index}`)
    const options = {
      services: [...names, 'warm-up'].map((name) => ({ name, instances: INSTANCES })),
      subject: { maxWatches: 600 },
    }
    const watched = await measureStart()
    await using rig = await Rig.start(surroundings, options)
    const { subject } = rig
    await subject.open(['warm-up'])
    await subject.close()
    const before = await subject.memory()
    const start = await subject.open(names)
    const open = await subject.memory()
    const early = await rig.count()
    const idle = await subject.during(() => pause(6000))
    const late = await rig.count()
    const changes = await subject.during(async () => {
      for (const name of names) await rig.changeInTurn(name, { kind: 'weights', count: 1 }, 1)
    })
    return {
      'connections to the agent, just after the start': early.connections,
      'connections to the agent, later': late.connections,
      'heap a service': (open.heapBytes - before.heapBytes) / SERVICES / 1000,
      'start: CPU to make the clients': start.makingCpuMs,
      'start: CPU until all are ready': start.cpuMs,
      ...watched,
      'idle: CPU': (100 * idle.cpuMs) / idle.wallMs,
      'a change: CPU': changes.cpuMs / SERVICES,
    }

    async function measureStart(): Promise<Readonly<Record<string, number>>> {
      await using cold = await Rig.start(surroundings, options)
      await cold.subject.ready()
      const { stallMs = Number.NaN, ownStallMs = Number.NaN } = await cold.subject.open(names, true)
      return { 'start: longest stall': stallMs, 'start: longest stall of its own doing': ownStallMs }
    }
  },
}
