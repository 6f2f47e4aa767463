import { registeredWeight } from '../picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FairleadError } from '../../errors.js'
import { candidates, type FakeCandidate, seededRandom } from '../../testing/index.js'
import { weightedLeastRequest } from './least-request-edf.js'
import type { PickContext, Picker } from '../picker.js'

const context: PickContext<FakeCandidate> = { now: 0, tried: [] }

function pickerOf(
  endpoints: readonly FakeCandidate[],
  activeRequestBias?: number,
  seed = 1,
): Picker<FakeCandidate> {
  return weightedLeastRequest({ activeRequestBias })(endpoints, seededRandom(seed), registeredWeight)
}

function countPicks(
  picker: Picker<FakeCandidate>,
  endpoints: readonly FakeCandidate[],
  picks: number,
): number[] {
  const counts = new Map(endpoints.map((endpoint) => [endpoint, 0]))
  for (let pick = 0; pick < picks; pick++) {
    const picked = picker.pick(context) as FakeCandidate
    counts.set(picked, (counts.get(picked) ?? 0) + 1)
  }
  return [...counts.values()]
}

/** With `inflight` requests at all times, each of which takes as long as all others: the mean of each endpoint. */
function meanLoads(
  picker: Picker<FakeCandidate>,
  endpoints: readonly FakeCandidate[],
  inflight: number,
): number[] {
  const open: FakeCandidate[] = []
  const sums = endpoints.map(() => 0)
  const rounds = 200 * inflight
  for (let round = 0; round < 2 * rounds; round++) {
    const picked = picker.pick(context) as FakeCandidate
    picked.begin()
    open.push(picked)
    if (open.length > inflight) open.shift()?.end()
    if (round < rounds) continue
    endpoints.forEach((endpoint, index) => (sums[index] = (sums[index] ?? 0) + endpoint.inflight / rounds))
  }
  return sums
}

const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 })
const bias = fc.constantFrom(0, 0.5, 1, 2, 10)

describe('without a bias', () => {
  test('a full cycle is exactly in proportion to weight, from the first pick on and whatever is in flight', () => {
    fc.assert(
      fc.property(weights, fc.nat(), fc.nat({ max: 5 }), (weights, seed, busy) => {
        const endpoints = candidates(weights)
        for (let request = 0; request < busy; request++) endpoints[0]?.begin()
        const picker = pickerOf(endpoints, 0, seed)
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        for (let cycle = 0; cycle < 3; cycle++) expect(countPicks(picker, endpoints, total)).toEqual(weights)
      }),
    )
  })

  test('turns are spread: between two of one endpoint, another has as many as it weighs more, rounded up or down', () => {
    fc.assert(
      fc.property(weights, fc.nat(), (weights, seed) => {
        const endpoints = candidates(weights)
        const picker = pickerOf(endpoints, 0, seed)
        const since = weights.map(() => weights.map(() => 0))
        const met = new Set<number>()
        for (let pick = 0; pick < 200; pick++) {
          const picked = endpoints.indexOf(picker.pick(context) as FakeCandidate)
          since.forEach((turns) => (turns[picked] = (turns[picked] ?? 0) + 1))
          const turns = since[picked] ?? []
          weights.forEach((weight, other) => {
            if (!met.has(picked) || other === picked) return
            const ratio = weight / (weights[picked] ?? 1)
            expect(turns[other]).toBeGreaterThanOrEqual(Math.floor(ratio))
            expect(turns[other]).toBeLessThanOrEqual(Math.ceil(ratio))
          })
          met.add(picked)
          turns.fill(0)
        }
      }),
      { numRuns: 30 },
    )
  })

  test('turns of ineligible endpoints go to the others in proportion, and none catches up afterwards', () => {
    const endpoints = candidates([8, 3, 2, 1])
    const [heavy] = endpoints as [FakeCandidate]
    const picker = pickerOf(endpoints, 0)
    heavy.available = false
    expect(countPicks(picker, endpoints, 6000)).toEqual([0, 3000, 2000, 1000])
    heavy.available = true
    const [heavyTurns = 0, ...others] = countPicks(picker, endpoints, 14)
    expect(Math.abs(heavyTurns - 8)).toBeLessThanOrEqual(1)
    others.forEach((turns, index) => expect(Math.abs(turns - (3 - index))).toBeLessThanOrEqual(1))
  })

  test('no endpoint loses its turn when a pick finds none eligible', () => {
    const endpoints = candidates([3, 2, 2, 1])
    const run = (interrupted: boolean): number[] => {
      const picker = pickerOf(endpoints, 0, 5)
      return Array.from({ length: 80 }, () => {
        if (interrupted) expect(picker.pick({ ...context, tried: endpoints })).toBeUndefined()
        return endpoints.indexOf(picker.pick(context) as FakeCandidate)
      })
    }
    expect(run(true)).toEqual(run(false))
  })
})

describe('with a bias', () => {
  test.each([
    [[1, 1, 1, 1], 40],
    [[4, 1], 40],
    [[9, 4, 1], 60],
    [[1, 2, 3, 4, 5], 100],
  ])('of 1, loads of equal requests settle where n (n + 1) goes with the weight: %j', (weights, inflight) => {
    const endpoints = candidates(weights)
    const loads = meanLoads(pickerOf(endpoints, 1), endpoints, inflight)
    const ratios = loads.map((load, index) => (load * (load + 1)) / (weights[index] ?? 0))
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
    for (const ratio of ratios) expect(Math.abs(ratio / mean - 1)).toBeLessThan(0.1)
  })

  test('the larger it is, the less the busy one gets, down to nothing', () => {
    const shares = [0, 0.5, 1, 2, 4, 40].map((bias) => {
      const endpoints = candidates([2, 1, 1])
      const [busy] = endpoints as [FakeCandidate]
      for (let request = 0; request < 3; request++) busy.begin()
      return countPicks(pickerOf(endpoints, bias), endpoints, 4000)[0] ?? 0
    })
    // 2 / 4^bias against 2.
    const expected = [0.5, 1 / 3, 0.2, 1 / 17, 1 / 257, 0]
    shares.forEach((share, index) =>
      expect(Math.abs(share / 4000 - (expected[index] ?? 0))).toBeLessThan(0.002),
    )
  })

  test('load is what it is at the pick, as in Envoy: 2 / (4 + 1) for a weight of 2 with four in flight', () => {
    const endpoints = candidates([2, 2])
    const [busy] = endpoints as [FakeCandidate]
    const picker = pickerOf(endpoints, 1)
    expect(Math.abs((countPicks(picker, endpoints, 1000)[0] ?? 0) - 500)).toBeLessThanOrEqual(1)
    for (let request = 0; request < 4; request++) busy.begin()
    expect(Math.abs((countPicks(picker, endpoints, 1200)[0] ?? 0) - 200)).toBeLessThanOrEqual(2)
  })
})

test('an eligible endpoint is picked, whatever was picked before', () => {
  const steps = fc.array(fc.record({ which: fc.nat(), up: fc.boolean(), begin: fc.boolean() }), {
    maxLength: 100,
  })
  fc.assert(
    fc.property(weights, bias, steps, (weights, bias, steps) => {
      const endpoints = candidates(weights)
      const picker = pickerOf(endpoints, bias)
      for (const { which, up, begin } of steps) {
        const endpoint = endpoints[which % endpoints.length] as FakeCandidate
        endpoint.available = up
        if (begin) endpoint.begin()
        const picked = picker.pick(context)
        expect(picked?.available).toBe(endpoints.some(({ available }) => available) ? true : undefined)
      }
    }),
  )
})

test('turns stay apart, however much time has gone by in turns', () => {
  const endpoints = candidates([2e7, 1e7, 1])
  const [a, b, slow] = endpoints as [FakeCandidate, FakeCandidate, FakeCandidate]
  for (let request = 0; request < 999; request++) slow.begin()
  const picker = pickerOf(endpoints, 2)
  a.available = false
  b.available = false
  // A million each, to where doubles are farther apart than the turns of the others.
  for (let pick = 0; pick < 10_000; pick++) picker.pick(context)
  slow.available = false
  a.available = true
  b.available = true
  const [turns = 0, others = 0] = countPicks(picker, endpoints, 3000)
  expect(Math.abs(turns - 2000)).toBeLessThan(100)
  expect(Math.abs(others - 1000)).toBeLessThan(100)
})

test('weights of a layer, and loads for which there is no number, end in a pick', () => {
  const endpoints = candidates([1, 1])
  for (let request = 0; request < 9; request++) endpoints[0]?.begin()
  const balancer = weightedLeastRequest({ activeRequestBias: 1000 })
  for (const weight of [0, -1, NaN, Infinity, 0.1]) {
    const picker = balancer(endpoints, seededRandom(1), () => weight)
    for (let pick = 0; pick < 100; pick++) expect(endpoints).toContain(picker.pick(context))
  }
})

test.each([-0.1, NaN, Infinity, '1', null])('a bias of %s is refused', (activeRequestBias) => {
  const options = { activeRequestBias } as { activeRequestBias: number }
  expect(() => weightedLeastRequest(options)).toThrow(FairleadError)
  expect(() => weightedLeastRequest(options)).toThrow('it must be a number of 0 or more, such as 1')
})
