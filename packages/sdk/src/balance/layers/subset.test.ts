import { registeredWeight } from '../picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FakeCandidate, seededRandom } from '../../testing/index.js'
import type { Balancer, PickContext } from '../picker.js'
import { roundRobin } from '../policies/round-robin.js'
import { subset } from './subset.js'
import { subsetOf } from './subset-window.js'

const context: PickContext<FakeCandidate> = { now: 0, tried: [] }

function fleet(names: readonly number[]): FakeCandidate[] {
  return names.map((name) => new FakeCandidate(name))
}

function namesOf(endpoints: readonly FakeCandidate[]): Set<string> {
  return new Set(endpoints.map(({ instance }) => instance.key))
}

function membersOf(names: readonly number[], size: number, place: number): Set<string> {
  return namesOf(subsetOf(fleet(names), size, place).members)
}

const missing = (from: Set<string>, to: Set<string>): number => [...from].filter((one) => !to.has(one)).length

describe('a change of the set by one instance', () => {
  const names = fc.uniqueArray(fc.integer({ min: 1, max: 60_000 }), { minLength: 3, maxLength: 60 })
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

  test('changes a subset of less than either half by one at most, any subset by two', () => {
    let strict = 0
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 12 }), place, (all, size, place) => {
        const [, ...before] = all
        if (before.length <= size) return
        const [a, b] = [membersOf(before, size, place), membersOf(all, size, place)]
        expect([a.size, b.size]).toEqual([size, size])
        const limit = smallerHalf(before) >= size ? 1 : 2
        if (limit === 1) strict++
        // Coming and going are the same step in either direction.
        expect(missing(a, b)).toBeLessThanOrEqual(limit)
        expect(missing(b, a)).toBeLessThanOrEqual(limit)
      }),
      { numRuns: 3000 },
    )
    expect(strict).toBeGreaterThan(500)
  })

  /** How many endpoints the smaller half of hashes has, seen from outside: places near 0 and 1 begin there. */
  function smallerHalf(all: readonly number[]): number {
    const endpoints = fleet(all)
    const first = subsetOf(endpoints, 1, 0).members[0]
    const middle = subsetOf(endpoints, 1, 0.5).members[0]
    for (let upTo = 1; upTo < all.length; upTo++) {
      const { members } = subsetOf(endpoints, upTo, 0)
      if (first !== undefined && middle !== undefined && members.includes(middle)) {
        return Math.min(upTo - 1, all.length - upTo + 1)
      }
    }
    return 0
  }

  test('in a fleet of hundreds, one after the other, for clients at every place', () => {
    const all = Array.from({ length: 300 }, (_, index) => 1 + index * 7)
    for (const place of [0, 0.03, 0.25, 0.4999, 0.5, 0.77, 0.95, 0.99, 0.9999]) {
      let before = membersOf(all.slice(0, 200), 20, place)
      for (let count = 201; count <= all.length; count++) {
        const after = membersOf(all.slice(0, count), 20, place)
        expect(missing(before, after)).toBeLessThanOrEqual(1)
        before = after
      }
    }
  })
})

describe('the load of 1,000 clients on 1,000 instances, 20 each', () => {
  const endpoints = fleet(Array.from({ length: 1000 }, (_, index) => 1 + index * 11))

  function clientsOf(place: (client: number) => number): number[] {
    const counts = new Map(endpoints.map((endpoint) => [endpoint, 0]))
    for (let client = 0; client < 1000; client++) {
      for (const member of subsetOf(endpoints, 20, place(client)).members) {
        counts.set(member, (counts.get(member) ?? 0) + 1)
      }
    }
    return [...counts.values()]
  }

  const deviation = (counts: readonly number[]): number =>
    Math.sqrt(counts.reduce((sum, count) => sum + (count - 20) ** 2, 0) / counts.length) / 20

  test('is even where clients are numbered', () => {
    const counts = clientsOf((client) => (client + 0.5) / 1000)
    // The halves differ by 1 / sqrt(1000), 3%, in the mean.
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(18)
    expect(Math.max(...counts)).toBeLessThanOrEqual(22)
    expect(deviation(counts)).toBeLessThan(0.08)
  })

  test('is as even as chance makes it where they have names', () => {
    const random = seededRandom(1)
    const counts = clientsOf(() => random.next())
    // 1 / sqrt(20) = 22%.
    expect(deviation(counts)).toBeLessThan(0.3)
    expect(Math.min(...counts)).toBeGreaterThan(3)
  })
})

describe('the picker', () => {
  const endpoints = fleet(Array.from({ length: 10 }, (_, index) => 1 + index))

  test('uses the subset, and the others only where no endpoint of it is eligible', () => {
    const seen: number[] = []
    const spy: Balancer = (members, random) => {
      seen.push(members.length)
      return roundRobin(members, random)
    }
    const picker = subset({ size: 3, index: 1, of: 5 })(spy)(endpoints, seededRandom(1), registeredWeight)
    expect(seen).toEqual([3])
    const picked = new Set(Array.from({ length: 30 }, () => picker.pick(context) as FakeCandidate))
    expect(picked.size).toBe(3)
    for (const endpoint of picked) endpoint.blocked = true
    const others = new Set(Array.from({ length: 200 }, () => picker.pick(context) as FakeCandidate))
    expect(others.size).toBe(7)
    for (const endpoint of endpoints) endpoint.blocked = true
    expect(picker.pick(context)).toBeUndefined()
    for (const endpoint of endpoints) endpoint.blocked = false
  })

  test('of no more than the size, all are used', () => {
    const picker = subset({ size: 10, id: 'host-1' })(roundRobin)(
      endpoints,
      seededRandom(1),
      registeredWeight,
    )
    expect(new Set(Array.from({ length: 10 }, () => picker.pick(context))).size).toBe(10)
  })

  test('two clients of one name use the same, in whatever order endpoints are listed', () => {
    const pick = (listed: readonly FakeCandidate[]): Set<unknown> => {
      const picker = subset({ size: 4, id: 'host-1' })(roundRobin)(listed, seededRandom(1), registeredWeight)
      return new Set(Array.from({ length: 4 }, () => picker.pick(context)))
    }
    expect(pick(endpoints)).toEqual(pick([...endpoints].reverse()))
  })

  test.each([
    [{ size: 0, id: 'a' }, 'size is 0: it must be a whole number, 1 or more'],
    [{ size: 2, id: '' }, "id is '': it must be a name of this client, or else index and of"],
    [{ size: 2, index: 0, of: 0 }, 'of is 0: it must be a whole number, 1 or more'],
    [{ size: 2, index: -1, of: 3 }, 'index is -1: it must be a whole number, 0 or more'],
  ])('refuses %j', (options, message) => {
    expect(() => subset(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message }))
  })
})
