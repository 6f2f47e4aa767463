import type { Children } from './children.js'
import type { Placement } from './machine.js'
import { NODE_FLAGS } from './node-flags.js'
import { groupOf, type Sample, type Section } from './results.js'
import { interleave } from './rounds.js'
import type { PolicyArgument, PolicyOrder } from './subjects/policy-subject.js'
import { DEFAULTS, policyVariants } from './subjects/policy-variants.js'

/** What each policy of resilience adds to a request that goes well: nanoseconds and bytes, without the wire. */
export async function benchPolicies(children: Children, where: Placement, quick: boolean): Promise<Section> {
  const order: PolicyOrder = { milliseconds: quick ? 50 : 100 }
  const names = Object.keys(policyVariants)
  const workers = []
  for (const name of names) {
    const argument: PolicyArgument = { variant: name }
    const worker = children.worker('policy-subject.js', argument, {
      cores: where.subject,
      nodeFlags: NODE_FLAGS,
    })
    workers.push({ name, worker, measure: () => worker.ask<Sample>(order) })
    // Until the optimizing compiler is done with the loop.
    await Promise.allSettled([worker.ask({ milliseconds: quick ? 500 : 2000 } satisfies PolicyOrder)])
  }
  const match = await interleave(workers, { rounds: quick ? 5 : 21, warmUps: 1 })
  await Promise.all(workers.map(({ worker }) => worker.stop()))
  const comparisons = names
    .filter((name) => name !== DEFAULTS)
    .map((name) => ({ subject: name, of: name, to: DEFAULTS }))
  return {
    kind: 'race',
    part: 'policies',
    units: { rate: 'CPU ns a request', cost: 'B a request' },
    groups: [groupOf('4 endpoints, a GET that goes well', match, comparisons)],
    skipped: match.failed.map(({ name, why }) => ({ what: name, why })),
    notes: [
      'What the client does itself: each request is answered within the call that sends it, without a socket. A policy costs the difference to all defaults.',
    ],
  }
}
