import { describe, expect, test } from 'vitest'
import { candidates, FakeCandidate, seededRandom } from '../testing/index.js'
import { balancers, type BalancerName } from './balancers.js'
import { compose } from './compose.js'
import { explainPick } from './explain-pick.js'
import { locality } from './layers/locality.js'
import { reportedWeights } from './layers/reported-weights.js'
import { slowStart } from './layers/slow-start.js'
import { subset } from './layers/subset.js'
import { priorities } from './priorities/priorities.js'
import {
  registeredWeight,
  type Candidate,
  type Layer,
  type PickContext,
  type Picker,
  type PickReport,
} from './picker.js'

const names = Object.keys(balancers) as BalancerName[]
/**
 * How far a share may be off, as a part of it. A draw of 2,000 of 10,000: three standard deviations are 6%. On a ring of
 * 1,024 points a fifth of them has its share within 1 / sqrt(205), 7%; three of these, and the draw.
 */
const tolerance = (name: BalancerName): number => (name === 'ring_hash' ? 0.25 : 0.06)

const context: PickContext<FakeCandidate> = { now: 0, tried: [], hash: undefined }

/** How often each candidate is picked, every request ending at once. */
function countPicks(
  picker: Picker<FakeCandidate>,
  endpoints: readonly FakeCandidate[],
  picks: number,
): number[] {
  const counts = new Map<FakeCandidate | undefined, number>()
  for (let n = 0; n < picks; n++) {
    const endpoint = picker.pick(context)
    counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1)
    endpoint?.begin()
    endpoint?.end()
  }
  return endpoints.map((endpoint) => counts.get(endpoint) ?? 0)
}

const noneExcluded = { excluded: new Map<number, number>(), panicThreshold: 0 }

/** All layers at once, in the order that the guide has. Of nine endpoints in two zones a subset is seven. */
const layers = [
  subset({ size: 7, id: 'client' }),
  locality({ zone: 'a', minimumEndpoints: 1 }),
  slowStart({ windowMs: 1000 }),
  reportedWeights(),
] as const

/** A balancer by itself, and as every client has it. */
const variants = names.flatMap((name): [string, Maker, BalancerName][] => {
  const balancer = balancers[name]
  return [
    [name, (endpoints, seed = 1) => balancer(endpoints, seededRandom(seed), registeredWeight), name],
    [
      `${name}, in priorities`,
      (endpoints, seed = 1) => priorities(balancer, endpoints, noneExcluded, seededRandom(seed)),
      name,
    ],
  ]
})

type Maker = (endpoints: readonly FakeCandidate[], seed?: number) => Picker<FakeCandidate>

// Every policy, by name, keeps these promises.
describe.each(variants)('%s', (_, make, name) => {
  test('picks nothing out of nothing', () => {
    expect(make([]).pick(context)).toBeUndefined()
  })

  test('picks the only endpoint', () => {
    const [only] = candidates([7])
    expect(make(only === undefined ? [] : [only]).pick(context)).toBe(only)
  })

  test('reaches every endpoint of equal weight about equally', () => {
    const endpoints = candidates([1, 1, 1, 1, 1])
    for (const count of countPicks(make(endpoints), endpoints, 10_000)) {
      expect(Math.abs(count / 2000 - 1)).toBeLessThan(tolerance(name))
    }
  })

  test('never picks what is not available, and picks the one that is', () => {
    const endpoints = candidates([1, 5, 1, 3, 2, 9])
    for (const endpoint of endpoints) endpoint.available = false
    const picker = make(endpoints)
    expect(picker.pick(context)).toBeUndefined()
    for (const endpoint of endpoints) {
      endpoint.available = true
      for (let n = 0; n < 20; n++) expect(picker.pick(context)).toBe(endpoint)
      endpoint.available = false
    }
  })

  test('what is down leaves its share to all others, not to its neighbour', () => {
    const endpoints = candidates(Array.from({ length: 12 }, () => 1))
    const picker = make(endpoints)
    // Side by side, as those of a rack are.
    const down = endpoints.slice(3, 7)
    for (const endpoint of down) endpoint.available = false
    const counts = countPicks(picker, endpoints, 16_000)
    endpoints.forEach((endpoint, index) => {
      if (down.includes(endpoint)) expect(counts[index]).toBe(0)
      else expect(Math.abs((counts[index] ?? 0) / 2000 - 1)).toBeLessThan(2 * tolerance(name))
    })
  })

  test('does not pick what was tried', () => {
    const endpoints = candidates([4, 2, 1])
    const [first, second, third] = endpoints as [FakeCandidate, FakeCandidate, FakeCandidate]
    const picker = make(endpoints)
    for (let n = 0; n < 50; n++) {
      expect(picker.pick({ ...context, tried: [first] })).not.toBe(first)
      expect(picker.pick({ ...context, tried: [first, third] })).toBe(second)
    }
    expect(picker.pick({ ...context, tried: endpoints })).toBeUndefined()
  })

  test('takes two registrations of one address for two', () => {
    const [a, b] = candidates([1, 1]) as [FakeCandidate, FakeCandidate]
    const counts = countPicks(make([a, b]), [a, b], 100)
    expect(Math.min(...counts)).toBeGreaterThan(20)
  })

  test('is the same for the same seed', () => {
    const run = (): number[] => {
      const endpoints = candidates([3, 1, 2, 1])
      const picker = make(endpoints, 42)
      return Array.from({ length: 100 }, () => endpoints.indexOf(picker.pick(context) as FakeCandidate))
    }
    expect(run()).toEqual(run())
  })

  test('works with 10,000 endpoints and the extremes of weight', () => {
    const endpoints = candidates(Array.from({ length: 10_000 }, (_, index) => (index === 5000 ? 65_535 : 1)))
    const picker = make(endpoints)
    const known = new Set(endpoints)
    for (let n = 0; n < 200; n++) expect(known.has(picker.pick(context) as FakeCandidate)).toBe(true)
  })
})

describe.each(names)('%s, when the set changes', (name) => {
  const make = (endpoints: readonly FakeCandidate[]): Picker<FakeCandidate> =>
    balancers[name](endpoints, seededRandom(1), registeredWeight)

  test('an endpoint removed in mid-request is not picked again, and comes back with what it is', () => {
    const endpoints = candidates([2, 1, 1])
    const leaving = make(endpoints).pick(context) as FakeCandidate
    leaving.begin()
    const others = endpoints.filter((endpoint) => endpoint !== leaving)
    const without = make(others)
    // Its request ends after it has left: what it reports of its load has no effect.
    leaving.end()
    for (let n = 0; n < 50; n++) {
      const picked = without.pick(context) as FakeCandidate
      expect(others).toContain(picked)
      picked.begin()
      picked.end()
    }
    const again = countPicks(make(endpoints), endpoints, 2000)
    expect(Math.min(...again)).toBeGreaterThan(0)
    expect(endpoints.map(({ inflight }) => inflight)).toEqual([0, 0, 0])
  })

  test('a picker that has been replaced may still be asked', () => {
    const endpoints = candidates([1, 1])
    const old = make(endpoints)
    make(endpoints)
    for (const endpoint of endpoints) endpoint.begin()
    expect(endpoints).toContain(old.pick(context))
  })

  test('behind every layer it keeps its promises', () => {
    const endpoints = Array.from(
      { length: 9 },
      (_, index) => new FakeCandidate(1 + index, 1 + (index % 3), 0, index < 4 ? 'a' : 'b'),
    )
    const picker = compose(...layers, name)(endpoints, seededRandom(1), registeredWeight)
    const known = new Set(endpoints)
    for (let now = 0; now < 3000; now += 10) {
      picker.refresh?.(now)
      const picked = picker.pick({ ...context, now }) as FakeCandidate
      expect(known.has(picked)).toBe(true)
      const tried = endpoints.filter((_, index) => index % 2 === now % 4)
      const other = picker.pick({ ...context, now, tried })
      if (other !== undefined) expect(tried).not.toContain(other)
    }
    for (const endpoint of endpoints) {
      for (const other of endpoints) other.available = other === endpoint
      picker.refresh?.(3000)
      expect(picker.pick({ ...context, now: 3000 })).toBe(endpoint)
    }
    for (const other of endpoints) other.available = false
    expect(picker.pick({ ...context, now: 3000 })).toBeUndefined()
    const none: readonly FakeCandidate[] = []
    expect(compose(...layers, name)(none, seededRandom(1), registeredWeight).pick(context)).toBeUndefined()
  })

  test('explains the pick that it makes', () => {
    const steps: string[] = []
    const report: PickReport<FakeCandidate> = {
      step: (text) => void steps.push(text),
      compared: () => undefined,
      skipped: () => undefined,
    }
    const endpoints = candidates([1, 2, 3])
    const picked = explainPick(make(endpoints), context, report)
    expect(endpoints).toContain(picked)
    expect(steps.length).toBeGreaterThan(0)
    for (const endpoint of endpoints) endpoint.available = false
    expect(explainPick(make(endpoints), context, report)).toBeUndefined()
  })
})

describe.each(names)('%s, in priorities', (name) => {
  const balancer = balancers[name]

  test('keeps weight 0 as a last resort', () => {
    const endpoints = candidates([0, 2, 0, 1])
    const [resort, used, otherResort, alsoUsed] = endpoints as [
      FakeCandidate,
      FakeCandidate,
      FakeCandidate,
      FakeCandidate,
    ]
    const picker = priorities(balancer, endpoints, noneExcluded, seededRandom(1))
    for (let n = 0; n < 50; n++) expect([used, alsoUsed]).toContain(picker.pick(context))
    used.available = false
    alsoUsed.available = false
    const resorts = new Set(Array.from({ length: 10 }, () => picker.pick(context)))
    expect(resorts).toEqual(new Set([resort, otherResort]))
  })

  test('uses endpoints of weight 0 when there are no others', () => {
    const endpoints = candidates([0, 0])
    const picker = priorities(balancer, endpoints, noneExcluded, seededRandom(1))
    expect(new Set([picker.pick(context), picker.pick(context)])).toEqual(new Set(endpoints))
  })

  test('goes on to the next group only when the one before has no endpoint left, for each request anew', () => {
    // 75% of the first priority are of some weight, so that it carries all.
    const first = [new FakeCandidate(1), new FakeCandidate(2), new FakeCandidate(8)]
    const second = [new FakeCandidate(3, 5, 1)]
    const resorts = [new FakeCandidate(4, 0), new FakeCandidate(5, 0, 1)]
    const retained = [new FakeCandidate(6), new FakeCandidate(7, 9, 1)]
    for (const endpoint of retained) endpoint.retained = true
    const inOrder = [first, second, ...resorts.map((one) => [one]), ...retained.map((one) => [one])]
    // As discovery lists them, which is not an order.
    const endpoints = inOrder.flat().reverse()
    const picker = priorities(balancer, endpoints, noneExcluded, seededRandom(1))
    for (let round = 0; round < 20; round++) {
      let tried: readonly FakeCandidate[] = []
      for (const group of inOrder) {
        const left = new Set(group)
        while (left.size > 0) {
          const picked = picker.pick({ now: 0, tried }) as FakeCandidate
          expect([...left]).toContain(picked)
          left.delete(picked)
          tried = [...tried, picked]
        }
      }
      expect(picker.pick({ now: 0, tried })).toBeUndefined()
    }
  })
})

/** Twice what is there for the endpoints of odd ports: what a layer may do to weights. */
const doubled: Layer = (next) => (endpoints, random, weightOf) =>
  next(endpoints, random, (endpoint) => weightOf(endpoint) * (isOdd(endpoint) ? 2 : 1))

const isOdd = ({ instance }: Candidate): boolean => Number(new URL(instance.origin).port) % 2 === 1

describe.each(names.filter((name) => name !== 'round_robin'))('%s, weighted', (name) => {
  test("follows the weights of a layer, and of two in a row, not Consul's", () => {
    for (const [layers, factor] of [
      [[doubled], 2],
      [[doubled, doubled], 4],
      [[slowStart(), doubled, subset({ size: 100, id: 'client' })], 2],
      [[doubled, locality({ zone: 'a', minimumEndpoints: 1 })], 2],
    ] as const) {
      const endpoints = candidates([1, 1, 1, 1])
      const balancer = compose(...(layers as readonly Layer[]), name)
      const counts = countPicks(balancer(endpoints, seededRandom(1), registeredWeight), endpoints, 12_000)
      const each = 12_000 / (2 + 2 * factor)
      counts.forEach((count, index) =>
        expect(Math.abs(count / (index % 2 === 0 ? factor * each : each) - 1)).toBeLessThan(tolerance(name)),
      )
    }
  })

  test('follows the weights', () => {
    const weights = [3, 2, 1]
    const endpoints = candidates(weights)
    const counts = countPicks(
      balancers[name](endpoints, seededRandom(1), registeredWeight),
      endpoints,
      12_000,
    )
    counts.forEach((count, index) =>
      expect(Math.abs(count / (2000 * (weights[index] ?? 0)) - 1)).toBeLessThan(tolerance(name)),
    )
  })

  test('gives one huge weight its share, and the small ones theirs', () => {
    const endpoints = candidates([8, 1, 1])
    const counts = countPicks(
      balancers[name](endpoints, seededRandom(1), registeredWeight),
      endpoints,
      10_000,
    )
    expect((counts[0] ?? 0) / 10_000).toBeCloseTo(0.8, 1)
    expect(counts[1]).toBeGreaterThan(700)
    expect(counts[2]).toBeGreaterThan(700)
  })
})
