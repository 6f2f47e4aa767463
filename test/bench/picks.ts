import type { BalancerName } from '@fairlead/sdk'
import type { Children, Worker } from './children.js'
import type { Placement } from './machine.js'
import { groupOf, type Group, type Sample, type Section, type Skip } from './results.js'
import { interleave } from './rounds.js'
import type { PickArgument, PickOrder } from './subjects/pick-subject.js'

const SIZES = [10, 1000, 10_000]
const REFERENCE = 'round_robin'

// What a balancer is asked to do: only to pick, or to follow the load of requests that begin and end as well.
const CONTESTANTS: readonly {
  readonly name: string
  readonly balancer: BalancerName
  readonly inflight: number
}[] = [
  { name: REFERENCE, balancer: 'round_robin', inflight: 0 },
  { name: 'weighted_round_robin', balancer: 'weighted_round_robin', inflight: 0 },
  { name: 'least_request', balancer: 'least_request', inflight: 0 },
  { name: 'peak_ewma', balancer: 'peak_ewma', inflight: 0 },
  { name: 'least_connections', balancer: 'least_connections', inflight: 0 },
  { name: 'least_connections + begin, end', balancer: 'least_connections', inflight: 64 },
]

// The young generation must hold all that a sample could allocate, or a collection would hide it.
const NODE_FLAGS = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64']

/** (a) What a pick costs: nanoseconds and bytes, each balancer at each size. */
export async function benchPicks(children: Children, where: Placement, quick: boolean): Promise<Section> {
  const order: PickOrder = { milliseconds: quick ? 20 : 50 }
  const rounds = quick ? 5 : 15
  const groups: Group[] = []
  const skipped: Skip[] = []
  for (const size of SIZES) {
    for (const weights of ['equal', 'mixed'] as const) {
      // Seconds go into the start of six processes of 10,000 endpoints.
      if (quick && weights === 'mixed' && size !== 1000) continue
      const title = `${size.toLocaleString('en')} endpoints, ${weights} weights`
      // A process each: what the compiler learns of one balancer must not serve or spoil the next.
      const workers = CONTESTANTS.map(({ name, balancer, inflight }) => {
        const argument: PickArgument = { balancer, size, weights, inflight }
        const worker = children.worker('pick-subject.js', argument, {
          cores: where.subject,
          nodeFlags: NODE_FLAGS,
        })
        return { name, worker, measure: () => worker.ask<Sample>(order) }
      })
      await Promise.allSettled(workers.map(({ worker }) => warmUp(worker, quick)))
      const match = await interleave(workers, { rounds, warmUps: 1 })
      await Promise.all(workers.map(({ worker }) => worker.stop()))
      const comparisons = CONTESTANTS.slice(1).map(({ name }) => ({ subject: name, of: name, to: REFERENCE }))
      groups.push(groupOf(title, match, comparisons))
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
      ...(quick ? ['--quick: mixed weights with 1,000 endpoints only.'] : []),
      '"+ begin, end": each pick begins a request, and the one 64 picks ago ends, so that the order changes.',
    ],
  }
}

// Until the optimizing compiler is done with the loop.
async function warmUp(worker: Worker, quick: boolean): Promise<void> {
  await worker.ask({ milliseconds: quick ? 60 : 200 } satisfies PickOrder)
}
