import { PerformanceObserver } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'
import {
  balancers,
  createClient,
  fixedResolver,
  type BalancerName,
  type Candidate,
  type PickContext,
  type Picker,
} from '@fairlead/sdk'
import { instanceAt, seededRandom } from '@fairlead/sdk/testing'
import type { Sample } from '../results.js'
import { argument, serve } from './serve.js'

export interface PickArgument {
  readonly balancer: BalancerName
  readonly size: number
  readonly weights: 'equal' | 'mixed'
  /** Requests that are begun and not ended while picking; 0: picking changes no load. */
  readonly inflight: number
}

export interface PickOrder {
  readonly milliseconds: number
}

/** What the client's own endpoints can do besides being picked. */
interface LiveEndpoint extends Candidate {
  observe(sampleMs: number, now: number): void
  begin(): void
  end(): void
}

// Enough for a tenth of a byte a pick to show, few enough for 200 bytes a pick to stay in the young generation.
const COUNTED_PICKS = 200_000
// What a busy client does; its time is in whole milliseconds.
const PICKS_PER_MS = 50
// Between two looks at the clock: seldom enough not to be measured, often enough to stop in time.
const BATCH = 1000

/** The loop under the clock. It allocates nothing itself, and hands on what was picked, so nothing can be left out. */
class PickLoop {
  picked: LiveEndpoint
  readonly #picker: Picker<LiveEndpoint>
  readonly #inflight: LiveEndpoint[]
  readonly #context: PickContext<LiveEndpoint> & { now: number } = {
    now: Math.floor(performance.now()),
    tried: [],
    hash: undefined,
  }
  #oldest = 0

  constructor(picker: Picker<LiveEndpoint>, first: LiveEndpoint, inflight: number) {
    this.picked = first
    this.#picker = picker
    this.#inflight = Array.from({ length: inflight }, () => {
      first.begin()
      return first
    })
  }

  run(picks: number): void {
    if (this.#inflight.length === 0) this.#pick(picks)
    else this.#pickAndLoad(picks)
  }

  #pick(picks: number): void {
    const context = this.#context
    for (let pick = 0; pick < picks; pick++) {
      if (pick % PICKS_PER_MS === 0) context.now++
      const endpoint = this.#picker.pick(context)
      if (endpoint === undefined) throw new Error('nothing was picked')
      this.picked = endpoint
    }
  }

  #pickAndLoad(picks: number): void {
    const context = this.#context
    for (let pick = 0; pick < picks; pick++) {
      if (pick % PICKS_PER_MS === 0) context.now++
      const endpoint = this.#picker.pick(context)
      if (endpoint === undefined) throw new Error('nothing was picked')
      const oldest = this.#oldest
      endpoint.begin()
      this.#inflight[oldest]?.end()
      this.#inflight[oldest] = endpoint
      this.#oldest = oldest + 1 < this.#inflight.length ? oldest + 1 : 0
    }
  }
}

/** The endpoints of a real client, each with some load and latency, so that comparing them takes what it takes. */
async function liveEndpoints({ size, weights }: PickArgument): Promise<readonly LiveEndpoint[]> {
  const instances = Array.from({ length: size }, (_, index) =>
    instanceAt(`http://10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:8080`, {
      weight: weights === 'equal' ? 1 : 1 + ((index * 7) % 10),
    }),
  )
  let captured: readonly Candidate[] = []
  const client = createClient('bench', {
    resolver: fixedResolver(instances),
    balancer: (endpoints, random) => {
      captured = endpoints
      return balancers.round_robin(endpoints, random)
    },
  })
  await client.ready()
  const endpoints = captured as readonly LiveEndpoint[]
  const random = seededRandom(2)
  for (const endpoint of endpoints) {
    endpoint.observe(1 + 10 * random.next(), performance.now())
    for (let requests = Math.floor(4 * random.next()); requests > 0; requests--) endpoint.begin()
  }
  return endpoints
}

/** Nanoseconds a pick: of CPU, which on a quiet machine is the same as by the clock, and on another still true. */
function time(loop: PickLoop, milliseconds: number): number {
  const cpuBefore = process.cpuUsage()
  const until = performance.now() + milliseconds
  let picks = 0
  while (performance.now() < until) {
    loop.run(BATCH)
    picks += BATCH
  }
  const { user, system } = process.cpuUsage(cpuBefore)
  return ((user + system) * 1000) / picks
}

const collections: number[] = []
const observer = new PerformanceObserver((list) => {
  for (const { startTime } of list.getEntries()) collections.push(startTime)
})
observer.observe({ entryTypes: ['gc'] })

/** Bytes by which the heap grew; `undefined` when a collection came in between and the answer is lost. */
async function growth(action: () => void): Promise<number | undefined> {
  // Room in the young generation is all that is needed, and with 10,000 endpoints a full collection takes 100 ms.
  globalThis.gc?.({ type: 'minor' })
  await turn()
  const startedAt = performance.now()
  const before = getHeapStatistics().used_heap_size
  action()
  const after = getHeapStatistics().used_heap_size
  const endedAt = performance.now()
  // Collections are announced later.
  await turn()
  await turn()
  const disturbed = collections.some((at) => at >= startedAt && at <= endedAt)
  collections.length = 0
  return disturbed ? undefined : after - before
}

/** Bytes a pick, less what looking at the heap takes itself. */
async function bytesPerPick(loop: PickLoop): Promise<number | undefined> {
  const idle = await growth(() => loop.run(0))
  const busy = await growth(() => loop.run(COUNTED_PICKS))
  if (idle === undefined || busy === undefined) return undefined
  return Math.max(0, busy - idle) / COUNTED_PICKS
}

/** An allocation that is known must show, or a zero would mean nothing. */
async function provenScale(): Promise<void> {
  const kept: object[] = new Array<object>(1000)
  const bytes = await growth(() => {
    for (let index = 0; index < 100_000; index++) kept[index % 1000] = { index }
  })
  if (bytes === undefined || bytes < 100_000 * 16) {
    throw new Error(`the heap statistics of this Node do not show allocations: ${bytes ?? 'disturbed'}`)
  }
}

const subject = argument() as PickArgument
const endpoints = await liveEndpoints(subject)
const [first] = endpoints
if (first === undefined) throw new Error('the client has no endpoint')
const loop = new PickLoop(balancers[subject.balancer](endpoints, seededRandom(1)), first, subject.inflight)
await provenScale()

serve(async (order): Promise<Sample> => {
  const { milliseconds } = order as PickOrder
  const cost = await bytesPerPick(loop)
  return { rate: time(loop, milliseconds), cost }
})
