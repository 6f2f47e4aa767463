import type { Children } from './children.js'
import type { Placement } from './machine.js'
import { groupOf, type Comparison, type Sample, type Section } from './results.js'
import { interleaveGenerations, type Lineup } from './rounds.js'
import { type CallName, calls } from './subjects/client-calls.js'
import type { ClientArgument, ClientOrder } from './subjects/client-subject.js'
import { BODY, startUpstreams } from './upstreams.js'

const CONCURRENCY = 64

const ratio = (subject: CallName, of: CallName, to: CallName): Comparison => ({ subject, of, to })
const OURS = 'client.request'
const COMPARISONS = [
  ratio(OURS, OURS, 'hand-written'),
  ratio('client.request, round_robin', 'client.request, round_robin', 'hand-written'),
  ratio('BalancedPool', OURS, 'BalancedPool'),
  ratio('global fetch', OURS, 'global fetch'),
  ratio('client.fetch', 'client.fetch', 'global fetch'),
  ratio('node:http', OURS, 'node:http'),
]

/** (b) What a request costs through the client, and through what one would use without it. */
export async function benchClient(children: Children, where: Placement, quick: boolean): Promise<Section> {
  const upstreams = await startUpstreams(children, where)
  const start = (): Promise<Lineup<Sample>> =>
    Promise.resolve(lineUp(children, where, upstreams.origins, quick ? 300 : 500))
  const match = await interleaveGenerations(start, {
    generations: quick ? 1 : 5,
    rounds: 3,
    // 3 s: before, the compiler is at work on the same core, and has more to do the more policies a call goes through.
    warmUps: quick ? 1 : 6,
  })
  await upstreams.worker.stop()
  return {
    kind: 'race',
    part: 'client',
    units: { rate: 'requests/s', cost: 'CPU µs a request' },
    groups: [groupOf(`4 upstreams, ${CONCURRENCY} requests in flight`, match, COMPARISONS)],
    skipped: match.failed.map(({ name, why }) => ({ what: name, why })),
    notes: [
      'The larger the ratio, the faster; cost the other way round. Where busy is below 95% the upstream was the limit: go by the cost.',
    ],
  }
}

function lineUp(
  children: Children,
  where: Placement,
  origins: readonly string[],
  milliseconds: number,
): Lineup<Sample> {
  const contestants = (Object.keys(calls) as CallName[]).map((name) => {
    const argument: ClientArgument = { call: name, origins, body: BODY, concurrency: CONCURRENCY }
    const worker = children.worker('client-subject.js', argument, { cores: where.subject })
    return { name, worker, measure: () => worker.ask<Sample>({ milliseconds } satisfies ClientOrder) }
  })
  return {
    contestants,
    stop: async () => {
      await Promise.all(contestants.map(({ worker }) => worker.stop()))
    },
  }
}
