import { registeredWeight } from '../picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FairleadError } from '../../errors.js'
import { candidates, FakeCandidate, seededRandom } from '../../testing/index.js'
import { leastRequest } from './load.js'
import type { PickContext } from '../picker.js'
import { powerOfChoices } from './power-of-choices.js'
import { SpreadPoints } from '../structures/spread-points.js'
import { CIRCLE, WeightedIndex } from '../structures/weighted-index.js'

const context: PickContext<FakeCandidate> = { now: 0, tried: [], hash: undefined }

describe('drawing', () => {
  test('gives different indices wherever none owns more than one of so many parts', () => {
    const weights = fc.array(fc.integer({ min: 10, max: 20 }), { minLength: 12, maxLength: 40 })
    fc.assert(
      fc.property(weights, fc.integer({ min: 3, max: 6 }), fc.integer(), (weights, count, seed) => {
        const index = new WeightedIndex(weights)
        const points = new SpreadPoints(count, index.largestShare, seededRandom(seed))
        for (let n = 0; n < 50; n++) {
          points.draw()
          const drawn = Array.from({ length: count }, (_, choice) => index.at(points.at(choice)))
          expect(new Set(drawn).size).toBe(count)
        }
      }),
    )
  })

  test('gives each point its share of the circle, in every place', () => {
    const points = new SpreadPoints(4, 0.2, seededRandom(1))
    const draws = 20_000
    const counts = Array.from({ length: 4 }, () => new Array<number>(10).fill(0))
    for (let n = 0; n < draws; n++) {
      points.draw()
      counts.forEach((slices, choice) => {
        const slice = Math.floor(((points.at(choice) >>> 0) / CIRCLE) * 10)
        slices[slice] = (slices[slice] ?? 0) + 1
      })
    }
    // 2,000 each: five standard deviations of a binomial are 212.
    for (const count of counts.flat()) expect(Math.abs(count - draws / 10)).toBeLessThan(212)
  })

  test('does not keep points together: how far apart they are is left to chance', () => {
    const points = new SpreadPoints(3, 0.01, seededRandom(1))
    const distances = Array.from({ length: 1000 }, () => {
      points.draw()
      return ((points.at(1) - points.at(0)) >>> 0) / CIRCLE
    })
    expect(Math.min(...distances)).toBeGreaterThanOrEqual(0.01)
    expect(Math.min(...distances)).toBeLessThan(0.02)
    expect(Math.max(...distances)).toBeGreaterThan(0.7)
  })
})

test('of n different ones the n - 1 most loaded are never taken', () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 6 }), fc.integer(), (choices, seed) => {
      const endpoints = candidates(Array.from({ length: 12 }, () => 1))
      const loads = new Map(endpoints.map((endpoint, index) => [endpoint as unknown, index]))
      const picker = powerOfChoices((endpoint) => loads.get(endpoint) ?? NaN, choices)(
        endpoints,
        seededRandom(seed),
        registeredWeight,
      )
      const worst = new Set(endpoints.slice(12 - choices + 1))
      const picked = Array.from({ length: 300 }, () => picker.pick(context))
      for (const endpoint of picked) expect(worst).not.toContain(endpoint)
      // And it is not always the same one that is left.
      expect(new Set(picked).size).toBeGreaterThan(2)
    }),
    { numRuns: 20 },
  )
})

test.each([3, 4, 10, 1000])(
  'of as many choices as endpoints or more (%j of 3) the least loaded is taken',
  (choices) => {
    const endpoints = candidates([3, 2, 1])
    const picker = powerOfChoices(leastRequest, choices)(endpoints, seededRandom(1), registeredWeight)
    for (let n = 0; n < 600; n++) picker.pick(context)?.begin()
    // Each pick goes to the least load for its weight, so none is ever more than one request off.
    expect(endpoints.map(({ inflight }) => inflight)).toEqual([300, 200, 100])
  },
)

test('more than ten choices are ten', () => {
  const endpoints = candidates(Array.from({ length: 50 }, () => 1))
  const loads = new Map(endpoints.map((endpoint, index) => [endpoint as unknown, index]))
  let compared = 0
  const picker = powerOfChoices((endpoint) => {
    compared++
    return loads.get(endpoint) ?? NaN
  }, 40)(endpoints, seededRandom(1), registeredWeight)
  picker.pick(context)
  expect(compared).toBe(10)
})

test('with nothing in flight, shares follow the weights, even where one has most of it', () => {
  for (const weights of [
    [3, 2, 1, 1, 1],
    [20, 1, 1, 1, 1],
  ]) {
    const endpoints = candidates(weights)
    const picker = powerOfChoices(leastRequest, 3)(endpoints, seededRandom(1), registeredWeight)
    const picks = Array.from({ length: 20_000 }, () => picker.pick(context))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    weights.forEach((weight, index) => {
      const share = weight / total
      const count = picks.filter((pick) => pick === endpoints[index]).length
      expect(Math.abs(count / 20_000 - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / 20_000))
    })
  }
})

test('finds the one that is left among many that are down', () => {
  const endpoints = Array.from({ length: 1000 }, (_, index) => new FakeCandidate(1 + index))
  for (const endpoint of endpoints) endpoint.available = false
  const last = endpoints[777] as FakeCandidate
  last.available = true
  expect(powerOfChoices(leastRequest, 5)(endpoints, seededRandom(3), registeredWeight).pick(context)).toBe(
    last,
  )
})

test.each([1, 0, -1, 2.5, NaN, Infinity])('%s choices are refused', (choices) => {
  expect(() => powerOfChoices(leastRequest, choices)).toThrow(FairleadError)
  expect(() => powerOfChoices(leastRequest, choices)).toThrow(
    `choiceCount is ${choices}: it must be a whole number, 2 or more`,
  )
})
