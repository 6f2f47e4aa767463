import { callersOf, CONCURRENCY } from './callers.js'
import type { Children } from './children.js'
import type { Placement } from './machine.js'
import { groupOf, type Section } from './results.js'
import { interleaveGenerations } from './rounds.js'
import { grpcCalls, type GrpcCallName } from './subjects/grpc-calls.js'
import { startUpstreams } from './upstreams.js'

const PLAIN: GrpcCallName = 'grpc-js, round_robin'

/** What a unary call of gRPC costs through the client, and without it. */
export async function benchGrpc(children: Children, where: Placement, quick: boolean): Promise<Section> {
  const upstreams = await startUpstreams(children, where, 'grpc-upstream.js')
  const names = Object.keys(grpcCalls) as GrpcCallName[]
  const match = await interleaveGenerations(
    callersOf(names, children, where, upstreams.origins, quick ? 300 : 500),
    { generations: quick ? 1 : 5, rounds: 3, warmUps: quick ? 3 : 6 },
  )
  await upstreams.worker.stop()
  const comparisons = names
    .filter((name) => name !== PLAIN)
    .map((name) => ({ subject: name, of: name, to: PLAIN }))
  return {
    kind: 'race',
    part: 'grpc',
    units: { rate: 'calls/s', cost: 'CPU µs a call' },
    groups: [groupOf(`4 upstreams, ${CONCURRENCY} unary calls in flight`, match, comparisons)],
    skipped: match.failed.map(({ name, why }) => ({ what: name, why })),
    notes: [
      'The larger the ratio, the faster; cost the other way round. Where busy is below 95% the upstream was the limit: go by the cost.',
    ],
  }
}
