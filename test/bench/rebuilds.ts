import type { Children } from './children.js'
import type { Placement } from './machine.js'
import type { Figure, Section, Skip } from './results.js'
import type { RebuildArgument, RebuildOrder } from './subjects/rebuild-subject.js'

interface Entry {
  readonly policy: string
  readonly changed: RebuildArgument['changed']
  /** What it should take at most with so many endpoints, in milliseconds. */
  readonly atMost: Readonly<Record<number, number>>
}

const GOAL_MS = 20
const always = { 1000: GOAL_MS, 10_000: GOAL_MS }
// Tables and rings have their goal at 1,000.
const table = { 1000: GOAL_MS }

const ENTRIES: readonly Entry[] = [
  ...[
    'round_robin',
    'weighted_round_robin',
    'orca_weighted_round_robin',
    'random',
    'least_request',
    'peak_ewma',
    'least_connections',
    'weighted_least_request',
    'prequal',
    'subset + peak_ewma',
    'locality + peak_ewma',
    'slow start + peak_ewma',
  ].map((policy): Entry => ({ policy, changed: 'nothing', atMost: always })),
  { policy: 'ring_hash', changed: 'nothing', atMost: table },
  { policy: 'maglev', changed: 'nothing', atMost: table },
  { policy: 'rendezvous', changed: 'nothing', atMost: table },
  { policy: 'ring_hash, ketama', changed: 'endpoint', atMost: table },
  { policy: 'ring_hash, ketama', changed: 'policy', atMost: {} },
]

const CHANGES = {
  nothing: '',
  endpoint: ', one endpoint changed',
  policy: ', the first of all',
} as const

/** (e) What a change of the set costs: making a picker, warm and cold. */
export async function benchRebuilds(children: Children, where: Placement, quick: boolean): Promise<Section> {
  const order: RebuildOrder = { times: quick ? 5 : 21 }
  const skipped: Skip[] = []
  const groups: { title: string; figures: Figure[] }[] = []
  for (const size of [1000, 10_000]) {
    const figures: Figure[] = []
    const firsts: Figure[] = []
    for (const { policy, changed, atMost } of ENTRIES) {
      // The largest set that there is a goal for says most.
      if (quick && size !== Math.max(...Object.keys(atMost).map(Number))) continue
      const name = `${policy}${CHANGES[changed]}`
      const argument: RebuildArgument = { policy, changed, size, weights: 'mixed' }
      const worker = children.worker('rebuild-subject.js', argument, { cores: where.subject })
      try {
        const [first] = await worker.ask<number[]>({ times: 1 } satisfies RebuildOrder)
        // Until the code is compiled.
        await worker.ask({ times: 9 } satisfies RebuildOrder)
        const values = await worker.ask<number[]>(order)
        figures.push({ name, unit: 'ms', values, atMost: atMost[size] })
        if (first !== undefined) firsts.push({ name, unit: 'ms', values: [first], atMost: undefined })
      } catch (error) {
        skipped.push({ what: `${name}, ${size}`, why: String(error) })
      }
      await worker.stop()
    }
    const title = `Making a picker of ${size.toLocaleString('en')} endpoints, mixed weights`
    groups.push({ title, figures }, { title: `${title}, the first of a process`, figures: firsts })
  }
  return {
    kind: 'survey',
    part: 'rebuilds',
    groups,
    skipped,
    notes: [
      'In a process that has made ten before, but where it says "the first of a process".',
      ...(quick ? ['--quick: only the largest set that a goal is for.'] : []),
    ],
  }
}
