import { registeredWeight } from '@fairlead/sdk'
import { seededRandom } from '@fairlead/sdk/testing'
import { RequestHasher } from '#sdk/hashing/request-hasher.js'
import type { Sample } from '../results.js'
import { proveScale } from './heap-growth.js'
import { keyedRequests } from './keys.js'
import { answerProbes, liveEndpoints, reportLoads, type EndpointsArgument } from './live-endpoints.js'
import { PeerLoop } from './peer-loops.js'
import { Context, KeyLoop, LoadLoop, PickLoop, type Loop } from './pick-loops.js'
import { policyNamed } from './policies.js'
import { argument, serve } from './serve.js'
import { Stopwatch } from './stopwatch.js'

/** What picks, and among what. */
export type PickArgument = EndpointsArgument &
  (
    | { readonly kind: 'policy'; readonly policy: string }
    /** Picks go by a key, a different one each time, whose hash is part of it. */
    | { readonly kind: 'keyed'; readonly policy: string }
    /** So many requests are begun and not ended while picking. */
    | { readonly kind: 'loaded'; readonly policy: string; readonly inflight: number }
    | { readonly kind: 'peer'; readonly peer: string }
  )

export interface PickOrder {
  readonly milliseconds: number
}

async function loopOf(subject: PickArgument): Promise<Loop> {
  if (subject.kind === 'peer') return new PeerLoop(subject.peer, subject)
  const endpoints = await liveEndpoints(subject)
  const context = new Context()
  // Reports are there only for a policy that uses them.
  if (GOES_BY_REPORTS.has(subject.policy)) {
    reportLoads(endpoints)
    answerProbes(endpoints, () => context.now)
  }
  const picker = policyNamed(subject.policy)(endpoints, seededRandom(1), registeredWeight)
  // Again, so that a policy hears of it that goes by each report as it comes.
  if (GOES_BY_REPORTS.has(subject.policy)) reportLoads(endpoints)
  switch (subject.kind) {
    case 'policy':
      return new PickLoop(picker, context)
    case 'keyed':
      return new KeyLoop(picker, new RequestHasher([]), keyedRequests())
    case 'loaded': {
      const [first] = endpoints
      if (first === undefined) throw new Error('the client has no endpoint')
      return new LoadLoop(picker, context, first, subject.inflight)
    }
  }
}

const GOES_BY_REPORTS: ReadonlySet<string> = new Set(['prequal', 'orca_weighted_round_robin'])

const stopwatch = new Stopwatch(await loopOf(argument() as PickArgument))
await proveScale()

serve(async (order): Promise<Sample> => {
  const { milliseconds } = order as PickOrder
  const rate = stopwatch.time(milliseconds)
  return { rate, cost: await stopwatch.bytes(rate) }
})
