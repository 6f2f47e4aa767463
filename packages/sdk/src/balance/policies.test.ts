import { registeredWeight } from './picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { candidates, FakeCandidate, seededRandom } from '../testing/index.js'
import { leastConnections } from './policies/least-connections.js'
import { leastRequest, peakEwma } from './policies/load.js'
import type { PickContext } from './picker.js'
import { powerOfTwoChoices } from './policies/power-of-two-choices.js'
import { roundRobin } from './policies/round-robin.js'
import { WeightedIndex } from './structures/weighted-index.js'
import { weightedRoundRobin } from './policies/weighted-round-robin.js'

const context: PickContext<FakeCandidate> = { now: 0, tried: [], hash: undefined }
const someWeights = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 20 })

test('round robin takes turns from wherever it starts', () => {
  const endpoints = candidates([1, 1, 1])
  const picker = roundRobin(endpoints, seededRandom(5))
  const lap = [picker.pick(context), picker.pick(context), picker.pick(context)]
  expect(new Set(lap).size).toBe(3)
  expect([picker.pick(context), picker.pick(context), picker.pick(context)]).toEqual(lap)
})

test('a retry of round robin goes to any other one that is up, and takes no turn', () => {
  const endpoints = candidates([1, 1, 1, 1, 1])
  const picker = roundRobin(endpoints, seededRandom(5))
  const lap = endpoints.map(() => picker.pick(context))
  const counts = new Map<FakeCandidate | undefined, number>()
  const tried = lap.slice(0, 1) as FakeCandidate[]
  for (let n = 0; n < 4001; n++) {
    const pick = picker.pick({ ...context, tried })
    counts.set(pick, (counts.get(pick) ?? 0) + 1)
  }
  expect(new Set(counts.keys())).toEqual(new Set(lap.slice(1)))
  for (const count of counts.values()) expect(Math.abs(count / 1000 - 1)).toBeLessThan(0.15)
  expect(endpoints.map(() => picker.pick(context))).toEqual(lap)

  // Nor to the neighbour of what is down more often than to the others.
  const [, down, alsoDown, neighbour, other] = endpoints as [FakeCandidate, ...FakeCandidate[]]
  for (const endpoint of [down, alsoDown]) if (endpoint !== undefined) endpoint.available = false
  let ofNeighbour = 0
  for (let n = 0; n < 4000; n++) {
    const pick = picker.pick({ ...context, tried: endpoints.slice(0, 1) })
    if (pick === neighbour) ofNeighbour++
    else expect(pick).toBe(other)
  }
  expect(Math.abs(ofNeighbour / 2000 - 1)).toBeLessThan(0.15)
})

describe('weighted round robin', () => {
  test('is proportional to the weights over a full cycle, exactly', () => {
    fc.assert(
      fc.property(someWeights, fc.integer(), (weights, seed) => {
        const endpoints = candidates(weights)
        const picker = weightedRoundRobin(endpoints, seededRandom(seed), registeredWeight)
        const largest = Math.max(...weights)
        const strides = weights.map((weight) => Math.max(1, Math.round((weight / largest) * 65_535)))
        const equal = new Set(weights).size === 1
        const cycle = equal ? weights.length : strides.reduce((sum, stride) => sum + stride, 0)
        const counts = new Map<FakeCandidate | undefined, number>()
        for (let n = 0; n < cycle; n++) {
          const endpoint = picker.pick(context)
          counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1)
        }
        expect(endpoints.map((endpoint) => counts.get(endpoint))).toEqual(
          equal ? weights.map(() => 1) : strides,
        )
      }),
      { numRuns: 10 },
    )
  })

  test('spreads a heavy endpoint over the cycle instead of bunching it', () => {
    const endpoints = candidates([3, 1])
    const picker = weightedRoundRobin(endpoints, seededRandom(1), registeredWeight)
    const picks = Array.from({ length: 4000 }, () =>
      picker.pick(context) === endpoints[0] ? 'a' : 'b',
    ).join('')
    expect(picks).not.toMatch(/a{5}|bb/)
  })

  test('shares out the turns of an endpoint that is down in proportion', () => {
    const endpoints = candidates([6, 2, 1])
    const picker = weightedRoundRobin(endpoints, seededRandom(1), registeredWeight)
    const [down, two, one] = endpoints as [FakeCandidate, FakeCandidate, FakeCandidate]
    down.available = false
    const picks = Array.from({ length: 3000 }, () => picker.pick(context))
    expect(
      picks.filter((pick) => pick === two).length / picks.filter((pick) => pick === one).length,
    ).toBeCloseTo(2, 1)
  })

  test('a retry goes to any other one, by weight, and takes no turn', () => {
    const endpoints = candidates([4, 1, 2, 1])
    const twin = weightedRoundRobin(endpoints, seededRandom(5), registeredWeight)
    const picker = weightedRoundRobin(endpoints, seededRandom(5), registeredWeight)
    const counts = new Map<FakeCandidate | undefined, number>()
    for (let n = 0; n < 4000; n++) {
      const pick = picker.pick({ ...context, tried: endpoints.slice(0, 1) })
      counts.set(pick, (counts.get(pick) ?? 0) + 1)
    }
    const [tried, ...others] = endpoints
    expect(counts.get(tried)).toBeUndefined()
    for (const endpoint of others) {
      expect(Math.abs((counts.get(endpoint) ?? 0) / (1000 * endpoint.instance.weight) - 1)).toBeLessThan(0.15)
    }
    for (let n = 0; n < 8; n++) expect(picker.pick(context)).toBe(twin.pick(context))
  })
})

describe('least connections', () => {
  test('a retry goes to any of the others that are as idle, and takes no turn', () => {
    const endpoints = candidates([1, 1, 1, 1, 1])
    const picker = leastConnections(endpoints, seededRandom(5), registeredWeight)
    const lap = endpoints.map(() => picker.pick(context))
    const counts = new Map<FakeCandidate | undefined, number>()
    for (let n = 0; n < 4000; n++) {
      const pick = picker.pick({ ...context, tried: endpoints.slice(0, 1) })
      counts.set(pick, (counts.get(pick) ?? 0) + 1)
    }
    expect(new Set(counts.keys())).toEqual(new Set(endpoints.slice(1)))
    for (const count of counts.values()) expect(Math.abs(count / 1000 - 1)).toBeLessThan(0.15)
    expect(endpoints.map(() => picker.pick(context))).toEqual(lap)
  })

  test('always picks an endpoint with the least load, whatever begins and ends', () => {
    const steps = fc.array(fc.record({ end: fc.boolean(), which: fc.nat(), down: fc.nat({ max: 30 }) }), {
      maxLength: 300,
    })
    fc.assert(
      fc.property(someWeights, steps, (weights, script) => {
        const endpoints = candidates(weights)
        const picker = leastConnections(endpoints, seededRandom(1), registeredWeight)
        const load = (endpoint: FakeCandidate): number => endpoint.inflight / endpoint.instance.weight
        const open: FakeCandidate[] = []
        for (const { end, which, down } of script) {
          endpoints.forEach((endpoint, index) => (endpoint.available = index !== down))
          if (end) open.splice(which % (open.length || 1), 1)[0]?.end()
          const pick = picker.pick(context)
          const usable = endpoints.filter(({ available }) => available)
          expect(pick?.available).toBe(true)
          expect(load(pick as FakeCandidate)).toBe(Math.min(...usable.map(load)))
          pick?.begin()
          open.push(pick as FakeCandidate)
        }
      }),
    )
  })

  test('breaks the ties of idle endpoints by weight', () => {
    const endpoints = candidates([3, 1])
    const picker = leastConnections(endpoints, seededRandom(1), registeredWeight)
    const picks = Array.from({ length: 400 }, () => picker.pick(context))
    expect(picks.filter((pick) => pick === endpoints[0]).length).toBe(300)
  })
})

describe('power of two choices', () => {
  test('draws two different endpoints, so that of two the less loaded is always taken', () => {
    fc.assert(
      fc.property(fc.constantFrom([1, 1], [1, 1, 1, 1, 1], [3, 2, 1]), fc.integer(), (weights, seed) => {
        const endpoints = candidates(weights)
        // Loaded in a row: the most loaded one loses against any other, so it is only taken against itself.
        const picker = powerOfTwoChoices((endpoint) => endpoints.findIndex((other) => other === endpoint))(
          endpoints,
          seededRandom(seed),
          registeredWeight,
        )
        for (let n = 0; n < 100; n++) expect(picker.pick(context)).not.toBe(endpoints.at(-1))
      }),
    )
  })

  test('by requests: keeps load within a few requests of even, in proportion to weight', () => {
    const endpoints = candidates([1, 1, 1, 1, 2, 2, 2, 2, 4, 4])
    const picker = powerOfTwoChoices(leastRequest)(endpoints, seededRandom(3), registeredWeight)
    for (let n = 0; n < 2000; n++) picker.pick(context)?.begin()
    for (const endpoint of endpoints)
      expect(endpoint.inflight / endpoint.instance.weight).toBeCloseTo(100, -1)
  })

  test('by peak EWMA: an endpoint ten times slower gets a small part of its share', () => {
    const endpoints = candidates([1, 1, 1, 1])
    const [slow] = endpoints as [FakeCandidate]
    slow.latencyMs = 10
    const picker = powerOfTwoChoices(peakEwma)(endpoints, seededRandom(3), registeredWeight)
    const open: FakeCandidate[] = []
    let slowPicks = 0
    for (let n = 0; n < 4000; n++) {
      const pick = picker.pick(context) as FakeCandidate
      if (pick === slow) slowPicks++
      pick.begin()
      open.push(pick)
      if (open.length > 16) open.shift()?.end()
    }
    expect(slowPicks).toBeLessThan(100)
  })

  test('finds the one that is left among many that are down', () => {
    const endpoints = Array.from({ length: 1000 }, (_, index) => new FakeCandidate(1 + index))
    for (const endpoint of endpoints) endpoint.available = false
    const picker = powerOfTwoChoices(leastRequest)(endpoints, seededRandom(3), registeredWeight)
    const last = endpoints[777] as FakeCandidate
    last.available = true
    expect(picker.pick(context)).toBe(last)
  })
})

test('a weighted index gives each index an arc of its share', () => {
  fc.assert(
    fc.property(someWeights, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (weights, bits) => {
      const index = new WeightedIndex(weights).at(bits)
      const point = (bits >>> 0) / 2 ** 32
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const before = weights.slice(0, index).reduce((sum, weight) => sum + weight, 0)
      expect(point).toBeGreaterThanOrEqual(before / total - 1e-9)
      expect(point).toBeLessThan((before + (weights[index] ?? NaN)) / total + 1e-9)
    }),
  )
})
