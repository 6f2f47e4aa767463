import type { Children } from '../children.js'
import type { Placement } from '../machine.js'
import type { Skip, Survey } from '../results.js'
import { busyService } from './busy-service.js'
import { changesOf } from './changes.js'
import { idleService } from './idle-service.js'
import { largeService, pickersOfLargeService } from './large-service.js'
import { manyServices } from './many-services.js'
import { memory } from './memory.js'
import { realConsul } from './real-consul.js'
import type { Surroundings, Topic } from './topic.js'

const TOPICS: readonly Topic[] = [
  changesOf(3),
  changesOf(100),
  realConsul(3),
  realConsul(100),
  largeService,
  pickersOfLargeService,
  memory,
  manyServices,
  busyService(10),
  busyService(1000),
  idleService,
]

/** (d) What following Consul costs, and how long it takes. */
export async function benchDiscovery(children: Children, where: Placement, quick: boolean): Promise<Survey> {
  const groups: Survey['groups'][number][] = []
  const skipped: Skip[] = []
  for (const topic of TOPICS) {
    process.stderr.write(`  ${topic.title}\n`)
    try {
      groups.push(await measureAgain(topic, { children, where, quick }))
    } catch (error) {
      skipped.push({ what: topic.title, why: error instanceof Error ? error.message : String(error) })
    }
  }
  return {
    kind: 'survey',
    part: 'discovery',
    groups,
    skipped,
    notes: [
      'The agent is a stand-in in a process of its own with entries of 1.4 kB, but where it says "a real Consul".',
      'CPU is that of all threads. A stall by the clock has in it what others did on the same core; of its own doing is, in each turn of the loop, the clock or the CPU, whichever is less.',
      'A watch asks four times a second at most, so that changes which come faster arrive together.',
    ],
  }
}

/** With new processes each time. */
async function measureAgain(topic: Topic, surroundings: Surroundings): Promise<Survey['groups'][number]> {
  const rounds: Readonly<Record<string, number>>[] = []
  for (let round = 0; round < (surroundings.quick ? 1 : 3); round++)
    rounds.push(await topic.measure(surroundings))
  const figures = Object.entries(topic.figures).map(([name, { unit, atMost }]) => ({
    name,
    unit,
    atMost,
    values: rounds.map((figuresOfRound) => figuresOfRound[name]).filter((value) => value !== undefined),
  }))
  return { title: topic.title, figures }
}
