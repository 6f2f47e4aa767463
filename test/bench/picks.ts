import type { Children, Worker } from './children.js'
import type { Placement } from './machine.js'
import { NODE_FLAGS } from './node-flags.js'
import {
  groupOf,
  type Comparison,
  type Goal,
  type Group,
  type Sample,
  type Section,
  type Skip,
} from './results.js'
import { interleave } from './rounds.js'
import type { PickArgument, PickOrder } from './subjects/pick-subject.js'

const SIZES = [10, 1000, 10_000]

/** What picks, without the set. */
type Contestant = PickArgument extends infer A
  ? A extends unknown
    ? Omit<A, 'size' | 'weights'>
    : never
  : never

interface Entry {
  readonly name: string
  readonly subject: Contestant
  /** Whom it is compared with. */
  readonly to?: string
  /** Nanoseconds that a pick should take at most. */
  readonly goalNs?: number
}

// A choice of two, or the next in turn.
const QUICK_NS = 60
// With the hash of a key of 32 bytes.
const KEYED_NS = 200

const policy = (policy: string, to: string): Entry => ({
  name: policy,
  subject: { kind: 'policy', policy },
  to,
})
const quickPolicy = (name: string, to: string): Entry => ({ ...policy(name, to), goalNs: QUICK_NS })
const keyed = (policy: string, to: string): Entry => ({
  name: `${policy}, by key`,
  subject: { kind: 'keyed', policy },
  to,
  goalNs: KEYED_NS,
})
const peer = (peer: string): Entry => ({ name: peer, subject: { kind: 'peer', peer } })

const ENTRIES: readonly Entry[] = [
  quickPolicy('round_robin', 'moleculer RoundRobin'),
  quickPolicy('weighted_round_robin', 'undici BalancedPool'),
  quickPolicy('orca_weighted_round_robin', 'undici BalancedPool'),
  quickPolicy('random', 'moleculer Random'),
  quickPolicy('least_request', 'moleculer CpuUsage'),
  quickPolicy('peak_ewma', 'moleculer Latency'),
  policy('least_connections', 'round_robin'),
  {
    name: 'least_connections + begin, end',
    subject: { kind: 'loaded', policy: 'least_connections', inflight: 64 },
    to: 'round_robin',
  },
  policy('weighted_least_request', 'round_robin'),
  policy('prequal', 'round_robin'),
  keyed('ring_hash', 'hashring'),
  keyed('maglev', 'hashring'),
  keyed('rendezvous', 'moleculer Shard'),
  policy('subset + locality + slow start + peak_ewma', 'peak_ewma'),
  peer('moleculer RoundRobin'),
  peer('moleculer Random'),
  peer('moleculer CpuUsage'),
  peer('moleculer Latency'),
  peer('moleculer Shard'),
  peer('hashring'),
  peer('undici BalancedPool'),
]

/** (a) What a pick costs: nanoseconds and bytes, each policy at each size, beside the nearest of npm. */
export async function benchPicks(children: Children, where: Placement, quick: boolean): Promise<Section> {
  const order: PickOrder = { milliseconds: quick ? 20 : 50 }
  const rounds = quick ? 3 : 15
  const groups: Group[] = []
  const skipped: Skip[] = []
  for (const size of SIZES) {
    for (const weights of ['equal', 'mixed'] as const) {
      // Seconds go into the start of twenty processes.
      if (quick && (size !== 1000 || weights === 'mixed')) continue
      const title = `${size.toLocaleString('en')} endpoints, ${weights} weights`
      // A process each: what the compiler learns of one policy must not serve or spoil the next.
      // One after the other: on one core they would only wait for each other.
      const workers: { name: string; worker: Worker; measure: () => Promise<Sample> }[] = []
      for (const { name, subject } of ENTRIES) {
        const argument: PickArgument = { ...subject, size, weights }
        const worker = children.worker('pick-subject.js', argument, {
          cores: where.subject,
          nodeFlags: NODE_FLAGS,
        })
        workers.push({ name, worker, measure: () => worker.ask<Sample>(order) })
        await Promise.allSettled([warmUp(worker, quick)])
      }
      const match = await interleave(workers, { rounds, warmUps: 1 })
      await Promise.all(workers.map(({ worker }) => worker.stop()))
      groups.push(groupOf(title, match, COMPARISONS, GOALS))
      skipped.push(...match.failed.map(({ name, why }) => ({ what: `${name}, ${title}`, why })))
    }
  }
  return {
    kind: 'race',
    part: 'picks',
    units: { rate: 'CPU ns a pick', cost: 'B a pick' },
    groups,
    skipped,
    notes: [
      'The smaller the ratio, the faster. Mixed weights: 1 to 10. Endpoints are real, with load and latency of their own.',
      '"by key": each pick has another key of 32 bytes, whose hash is part of it, as it is of its peers.',
      '"+ begin, end": each pick begins a request, and the one 64 picks ago ends, so that the order changes.',
      'moleculer ignores weights, and its CpuUsage and Latency look at five nodes; BalancedPool weighs by errors only.',
      ...(quick ? ['--quick: 1,000 endpoints of equal weight only.'] : []),
    ],
  }
}

const COMPARISONS: readonly Comparison[] = ENTRIES.flatMap(({ name, to }) =>
  to === undefined ? [] : [{ subject: name, of: name, to }],
)

const GOALS: readonly Goal[] = ENTRIES.flatMap(({ name, goalNs }) =>
  goalNs === undefined ? [] : [{ subject: name, rate: goalNs, cost: 0 }],
)

// Until the optimizing compiler is done with the loop.
async function warmUp(worker: Worker, quick: boolean): Promise<void> {
  await worker.ask({ milliseconds: quick ? 60 : 200 } satisfies PickOrder)
}
