import { registeredWeight } from '@fairlead/sdk'
import { seededRandom } from '@fairlead/sdk/testing'
import { RequestHasher } from '#sdk/hashing/request-hasher.js'
import type { Sample } from '../results.js'
import { growth, proveScale } from './heap-growth.js'
import { keyedRequests } from './keys.js'
import { answerProbes, liveEndpoints, reportLoads, type EndpointsArgument } from './live-endpoints.js'
import { PeerLoop } from './peer-loops.js'
import { Context, KeyLoop, LoadLoop, PickLoop, type Loop } from './pick-loops.js'
import { policyNamed } from './policies.js'
import { argument, serve } from './serve.js'

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

// Enough for a tenth of a byte a pick to show, few enough for 200 bytes a pick to stay in the young generation.
const COUNTED_PICKS = 200_000
// What takes longer than a pick should is counted for as long as this, and shows with fewer picks.
const COUNTED_MS = 40
// Between two looks at the clock: seldom enough not to be measured, often enough to stop in time.
const BATCH = 1000
const BATCH_MS = 1

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

/** Measures one loop. */
class Stopwatch {
  readonly #loop: Loop
  #batch = 1

  constructor(loop: Loop) {
    this.#loop = loop
  }

  /** Nanoseconds a pick: of CPU, which on a quiet machine is the same as by the clock, and on another still true. */
  time(milliseconds: number): number {
    const cpuBefore = process.cpuUsage()
    const until = performance.now() + milliseconds
    let picks = 0
    for (let now = performance.now(); now < until;) {
      this.#loop.run(this.#batch)
      picks += this.#batch
      const after = performance.now()
      if (after - now < BATCH_MS / 2) this.#batch = Math.min(BATCH, 2 * this.#batch)
      now = after
    }
    const { user, system } = process.cpuUsage(cpuBefore)
    return ((user + system) * 1000) / picks
  }

  /** Bytes a pick, less what looking at the heap takes itself. */
  async bytesPerPick(nsPerPick: number): Promise<number | undefined> {
    const picks =
      nsPerPick <= 200
        ? COUNTED_PICKS
        : Math.ceil(Math.min(COUNTED_PICKS, (COUNTED_MS * 1e6) / nsPerPick) / 2)
    const idle = await growth(() => this.#loop.run(0))
    const busy = await growth(() => this.#loop.run(picks))
    if (idle === undefined || busy === undefined) return undefined
    return Math.max(0, busy - idle) / picks
  }
}

const stopwatch = new Stopwatch(await loopOf(argument() as PickArgument))
await proveScale()

serve(async (order): Promise<Sample> => {
  const { milliseconds } = order as PickOrder
  const rate = stopwatch.time(milliseconds)
  return { rate, cost: await stopwatch.bytesPerPick(rate) }
})
