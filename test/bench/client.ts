import type { Children } from './children.js'
import type { Placement } from './machine.js'
import { callersOf, CONCURRENCY } from './callers.js'
import { groupOf, type Comparison, type Section } from './results.js'
import { interleaveGenerations } from './rounds.js'
import { httpCalls, type HttpCallName } from './subjects/client-calls.js'
import { startUpstreams } from './upstreams.js'

const ratio = (subject: HttpCallName, of: HttpCallName, to: HttpCallName): Comparison => ({ subject, of, to })
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
  const names = Object.keys(httpCalls) as HttpCallName[]
  const start = callersOf(names, children, where, upstreams.origins, quick ? 300 : 500)
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
