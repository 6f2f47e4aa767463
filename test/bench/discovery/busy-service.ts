import type { Change } from '../subjects/agent-service.js'
import { Rig } from './rig.js'
import type { Topic } from './topic.js'

const PER_MINUTE = 1000
const PAUSE_MS = 60_000 / PER_MINUTE
const SERVICE = 'orders'
const NEXT: Change = { kind: 'next' }

/** (d) A service that never comes to rest. */
export function busyService(instances: number): Topic {
  return {
    title: `1,000 changes a minute to a service of ${instances.toLocaleString('en')} instances`,
    figures: {
      'answers a second': { unit: '' },
      CPU: { unit: '% of a core' },
      'JSON.parse of the same bytes': { unit: '% of a core' },
      'CPU beyond that': { unit: '% of a core', atMost: 5 },
    },
    async measure(surroundings) {
      await using rig = await Rig.start(surroundings, { services: [{ name: SERVICE, instances }] })
      const { subject } = rig
      await subject.open([SERVICE])
      // The burst that a watch may begin with is over, and the code is warm.
      await rig.churn(SERVICE, NEXT, PAUSE_MS, 50)
      const before = await rig.count()
      const times = (surroundings.quick ? 5 : 15) * (1000 / PAUSE_MS)
      const usage = await subject.during(() => rig.churn(SERVICE, NEXT, PAUSE_MS, times))
      const after = await rig.count()
      const answers = after.queries - before.queries
      const share = (cpuMs: number): number => (100 * cpuMs) / usage.wallMs
      const parsing = share(answers * (await subject.parse(SERVICE, instances > 100 ? 100 : 10_000)))
      return {
        'answers a second': (1000 * answers) / usage.wallMs,
        CPU: share(usage.cpuMs),
        'JSON.parse of the same bytes': parsing,
        'CPU beyond that': share(usage.cpuMs) - parsing,
      }
    },
  }
}
