import type { Children } from './children.js'
import type { Placement } from './machine.js'
import type { Sample } from './results.js'
import type { Lineup } from './rounds.js'
import type { CallName } from './subjects/client-calls.js'
import type { ClientArgument, ClientOrder } from './subjects/client-subject.js'
import { BODY } from './upstreams.js'

/** Requests in flight at any time. */
export const CONCURRENCY = 64

/** Starts a process for each way to call the instances, which measures itself for so many milliseconds at a time. */
export function callersOf(
  names: readonly CallName[],
  children: Children,
  where: Placement,
  origins: readonly string[],
  milliseconds: number,
): () => Promise<Lineup<Sample>> {
  return () => {
    const contestants = names.map((name) => {
      const argument: ClientArgument = { call: name, origins, body: BODY, concurrency: CONCURRENCY }
      const worker = children.worker('client-subject.js', argument, { cores: where.subject })
      return { name, worker, measure: () => worker.ask<Sample>({ milliseconds } satisfies ClientOrder) }
    })
    const stop = async (): Promise<void> => {
      await Promise.all(contestants.map(({ worker }) => worker.stop()))
    }
    return Promise.resolve({ contestants, stop })
  }
}
