import { describe, expect, test } from 'vitest'
import { candidates, FakeCandidate, seededRandom } from '../testing/index.js'
import { BackendLoad } from '../orca/backend-load.js'
import { balancers } from './balancers.js'
import { withCallback, withoutCallback, type Callback } from '../collections/callbacks.js'
import { compose } from './compose.js'
import { locality } from './layers/locality.js'
import { maglev } from './keyed/maglev.js'
import { registeredWeight, type Balancer, type Layer, type PickContext, type Picker } from './picker.js'
import { prequal } from './policies/prequal.js'
import { rendezvous } from './keyed/rendezvous.js'
import { reportedWeight } from './layers/reported-weight.js'
import { reportedWeights } from './layers/reported-weights.js'
import { ringHash } from './keyed/ring-hash.js'
import { slowStart } from './layers/slow-start.js'
import { subset } from './layers/subset.js'
import { priorities } from './priorities/priorities.js'

const context: PickContext<FakeCandidate> = { now: 0, tried: [], hash: undefined }

/** Two pickers over the same endpoints in one composition, as a layer for canaries or experiments has them. */
function both(first: Balancer, second: Balancer): { layer: Balancer; pickers: Picker<FakeCandidate>[] } {
  const pickers: Picker<FakeCandidate>[] = []
  const layer: Balancer = (endpoints, random, weightOf) => {
    const made = [first(endpoints, random, weightOf), second(endpoints, random, weightOf)] as const
    pickers.push(...(made as unknown as Picker<FakeCandidate>[]))
    return {
      pick: (context) => made[0].pick(context),
      close: () => made.forEach((picker) => picker.close?.()),
    }
  }
  return { layer, pickers }
}

/** Those that keep something of each endpoint's load or reports. */
const observing: readonly [string, Balancer][] = [
  ['least_connections', balancers.least_connections],
  ['ring_hash, bounded', ringHash({ balanceFactor: 1, minimumRingSize: 64 })],
  ['maglev, bounded', maglev({ balanceFactor: 1, tableSize: 251 })],
  ['rendezvous, bounded', rendezvous({ balanceFactor: 1, tableSize: 256 })],
]

const pairs = observing.flatMap(([a, first]) =>
  observing.map(([b, second]): [string, string, Balancer, Balancer] => [a, b, first, second]),
)

describe.each(pairs)('%s beside %s', (_, __, first, second) => {
  test('both know of every request, whichever picked for it', () => {
    const endpoints = candidates([1, 1, 1])
    const { layer, pickers } = both(first, second)
    layer(endpoints, seededRandom(1), registeredWeight)
    // Two of three are busy: least loaded and bounded alike have to take the third.
    const [a, b, idle] = endpoints as [FakeCandidate, FakeCandidate, FakeCandidate]
    for (let n = 0; n < 4; n++) for (const busy of [a, b]) busy.begin()
    for (const picker of pickers) {
      for (const key of [1, 2, 3, 4]) {
        expect(picker.pick({ ...context, hash: { high: key << 20, low: key } })).toBe(idle)
      }
    }
    for (let n = 0; n < 4; n++) for (const busy of [a, b]) busy.end()
    for (let n = 0; n < 4; n++) for (const busy of [b, idle]) busy.begin()
    for (const picker of pickers) expect(picker.pick(context)).toBe(a)
  })
})

test('two of prequal beside each other hear of every report', () => {
  const endpoints = candidates([1, 1, 1])
  const { layer, pickers } = both(prequal(), prequal())
  layer(endpoints, seededRandom(1), registeredWeight)
  endpoints.forEach(({ backendLoad }, index) =>
    backendLoad?.receive(`TEXT named_metrics.inflight=1,named_metrics.latency_ms=${index === 1 ? 1 : 50}`, 0),
  )
  for (const picker of pickers) expect(picker.pick(context)).toBe(endpoints[1])
})

test('two of reportedWeights each have their own idea of a gap', () => {
  const [endpoint] = candidates([1]) as [FakeCandidate]
  compose(reportedWeights({ expiryMs: 1000 }), reportedWeights({ expiryMs: 10_000 }), 'random')(
    [endpoint],
    seededRandom(1),
    registeredWeight,
  )
  const load = endpoint.backendLoad ?? new BackendLoad()
  const busy = 'TEXT cpu_utilization=0.5,rps_fractional=20'
  for (const now of [0, 900, 5000]) load.receive(busy, now)
  expect([1000, 10_000, 180_000].map((gapMs) => load.nonEmptySinceGap(gapMs))).toEqual([5000, 0, 0])
  const rules = { blackoutMs: 3000, errorPenalty: 1 }
  expect(reportedWeight(endpoint, { ...rules, expiryMs: 1000 }, 5500)).toBeUndefined()
  expect(reportedWeight(endpoint, { ...rules, expiryMs: 10_000 }, 5500)).toBe(40)
})

const layers: readonly Layer[] = [
  subset({ size: 2, id: 'client' }),
  locality({ zone: 'a', minimumEndpoints: 1 }),
  slowStart(),
  reportedWeights(),
]

const everyPolicy: readonly [string, Balancer][] = [...Object.entries(balancers), ...observing.slice(1)]

describe.each(everyPolicy)('%s', (_, balancer) => {
  test('leaves nothing behind on its endpoints when it is closed, behind every layer as well', () => {
    const endpoints = Array.from(
      { length: 3 },
      (_, index) => new FakeCandidate(1 + index, 1, 0, index < 2 ? 'a' : 'b'),
    )
    const none = { excluded: new Map<number, number>(), panicThreshold: 0 }
    for (let rebuild = 0; rebuild < 6; rebuild++) {
      priorities(
        rebuild % 2 === 0 ? balancer : compose(...layers, balancer),
        endpoints,
        none,
        seededRandom(1),
      ).close?.()
    }
    expect(endpoints.map(({ observed }) => observed)).toEqual([false, false, false])
  })
})

test('of several one may go, in any order, and one alone is called as it is', () => {
  const heard: string[] = []
  const [a, b, c] = ['a', 'b', 'c'].map(
    (name): Callback =>
      () =>
        void heard.push(name),
  ) as [Callback, Callback, Callback]
  let all: Callback | undefined
  for (const each of [a, b, c]) all = withCallback(all, each)
  all?.()
  all = withoutCallback(all, b)
  all?.()
  all = withoutCallback(all, a)
  expect(all).toBe(c)
  expect(withoutCallback(all, b)).toBe(c)
  expect(withoutCallback(all, c)).toBeUndefined()
  expect(heard).toEqual(['a', 'b', 'c', 'a', 'c'])
})
