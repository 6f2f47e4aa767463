import { registeredWeight } from '../picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FairleadError } from '../../errors.js'
import { candidates, FakeCandidate, instanceAt, keyHash, seededRandom } from '../../testing/index.js'
import type { HashMember } from './hash-member.js'
import type { PickContext, WeightOf } from '../picker.js'
import { RendezvousTable } from './rendezvous-table.js'
import { rendezvous } from './rendezvous.js'

const membersOf = (weights: readonly number[]): HashMember[] =>
  weights.map((weight, index) => ({ name: `10.0.0.${index}:8080`, weight }))

/** Who owns each slot, by name. */
function ownersOf(members: readonly HashMember[], size: number): string[] {
  return Array.from(new RendezvousTable(members, size).owners, (owner) => members[owner]?.name ?? '')
}

const weight = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 65_535 }))
const weights = fc.array(weight, { minLength: 1, maxLength: 30 })
const size = fc.constantFrom(2, 64, 1024, 16_384)

describe('no slot moves that need not', () => {
  test('when an endpoint leaves, only its own, and when it comes, only to it', () => {
    fc.assert(
      fc.property(weights, size, fc.nat(), (weights, size, which) => {
        const all = membersOf([...weights, 1])
        const gone = all[which % all.length]
        const rest = all.filter((member) => member !== gone)
        const before = ownersOf(all, size)
        const after = ownersOf(rest, size)
        const others = before.filter((owner) => owner !== gone?.name)
        expect(after.filter((_, slot) => before[slot] !== gone?.name)).toEqual(others)
        expect(after).not.toContain(gone?.name)
      }),
    )
  })

  test('when a weight rises, only to its endpoint, and when it falls, only from it', () => {
    fc.assert(
      fc.property(weights, size, fc.nat(), weight, (weights, size, which, more) => {
        const light = membersOf(weights)
        const changing = light[which % light.length]
        const heavy = light.map((member) =>
          member === changing ? { ...member, weight: member.weight + more } : member,
        )
        const below = ownersOf(light, size)
        const above = ownersOf(heavy, size)
        const moved = above.map((_, slot) => slot).filter((slot) => above[slot] !== below[slot])
        expect(moved.filter((slot) => above[slot] !== changing?.name)).toEqual([])
        if (light.length === 1) expect(moved).toEqual([])
      }),
    )
  })

  test('when all weights change alike, none', () => {
    const members = membersOf([1, 2, 3, 10])
    const scaled = members.map((member) => ({ ...member, weight: 4 * member.weight }))
    expect(ownersOf(scaled, 4096)).toEqual(ownersOf(members, 4096))
  })
})

describe('shares follow the weights', () => {
  test.each<[string, number[]]>([
    ['of ten equal ones', new Array<number>(10).fill(1)],
    ['of 1,000 equal ones', new Array<number>(1000).fill(7)],
    ['of 1 to 10', Array.from({ length: 200 }, (_, index) => 1 + ((index * 7) % 10))],
    ['of one with half of all', [300, ...new Array<number>(300).fill(1)]],
    ['of two', [1, 3]],
  ])('%s', (_, weights) => {
    const size = 65_536
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const { owners } = new RendezvousTable(membersOf(weights), size)
    const slots = new Array<number>(weights.length).fill(0)
    for (const owner of owners) slots[owner] = (slots[owner] ?? 0) + 1
    let squares = 0
    slots.forEach((own, index) => {
      const expected = ((weights[index] ?? 0) / total) * size
      // Half of the variance of independent draws; five deviations.
      expect(Math.abs(own - expected)).toBeLessThan(5 * Math.sqrt(expected / 2))
      squares += (own - expected) ** 2 / expected
    })
    // What chi squared would be 1 for, for each degree of freedom.
    if (weights.length >= 200) {
      expect(squares / (weights.length - 1)).toBeGreaterThan(0.35)
      expect(squares / (weights.length - 1)).toBeLessThan(0.65)
    }
  })

  test('of any weights, where there are more endpoints than slots', () => {
    // 2,000 tables of 16 slots, names of their own each: what 40 endpoints of weight 1 to 4 win of them in sum.
    const won = [0, 0, 0, 0, 0]
    for (let table = 0; table < 2000; table++) {
      const members = Array.from({ length: 40 }, (_, index) => ({
        name: `${table}-${index}`,
        weight: 1 + (index % 4),
      }))
      for (const owner of new RendezvousTable(members, 16).owners) {
        const weight = members[owner]?.weight ?? 0
        won[weight] = (won[weight] ?? 0) + 1
      }
    }
    for (let weight = 1; weight <= 4; weight++) {
      // Of 32,000 a tenth and more: a deviation is 1.7% or less.
      expect(Math.abs((won[weight] ?? 0) / (3200 * weight) - 1)).toBeLessThan(0.06)
    }
  })
})

test('each slot has one order of all endpoints: of two, its winner is who comes before the other in any set', () => {
  const size = 64
  const members = membersOf([1, 2, 3, 4, 5])
  const winners = ownersOf(members, size)
  for (const [first, one] of members.entries()) {
    for (const other of members.slice(first + 1)) {
      const of = (owner: string | undefined): boolean => owner === one.name || owner === other.name
      const pair = ownersOf([one, other], size)
      expect(pair.filter((_, slot) => of(winners[slot]))).toEqual(winners.filter(of))
    }
  }
})

const context = (key: string): PickContext<FakeCandidate> => ({ now: 0, tried: [], hash: keyHash(key) })
const keys = Array.from({ length: 2000 }, (_, index) => `user-${index}`)

describe('a key', () => {
  test('meets the endpoint that it met in the first version', () => {
    // Written down once: a change of it moves every key when processes are replaced one by one.
    const { owners } = new RendezvousTable(membersOf([1, 2, 3]), 32)
    expect([...owners].join('')).toBe('22112121220021202122210221202121')
  })
})

test('two registrations of one address share what both weigh', () => {
  const [a, b, c] = candidates([1, 1, 1]) as [FakeCandidate, FakeCandidate, FakeCandidate]
  const twin = new FakeCandidate(1)
  Object.assign(twin, { instance: instanceAt(a.instance.origin, { key: 'twin' }) })
  const picker = rendezvous()([a, b, c, twin], seededRandom(1), registeredWeight)
  const picks = keys.map((key) => picker.pick(context(key)))
  for (const endpoint of [a, b, c, twin]) {
    expect(picks.filter((pick) => pick === endpoint).length / keys.length).toBeCloseTo(0.25, 1)
  }
})

test('an endpoint is known by what one likes, such as a name that outlives its address', () => {
  const at = (port: number, shard: string): FakeCandidate =>
    Object.assign(new FakeCandidate(port), {
      instance: instanceAt(`http://10.0.0.1:${port}`, { meta: { shard } }),
    })
  const shardOf = (endpoint: FakeCandidate | undefined): string | undefined =>
    endpoint?.instance.meta['shard']
  const balancer = rendezvous({ endpointKey: ({ meta }) => meta['shard'] ?? '' })
  const before = balancer([at(1, 'a'), at(2, 'b'), at(3, 'c')], seededRandom(1), registeredWeight)
  const after = balancer([at(13, 'c'), at(12, 'b'), at(11, 'a')], seededRandom(1), registeredWeight)
  for (const key of keys) expect(shardOf(after.pick(context(key)))).toBe(shardOf(before.pick(context(key))))
})

test('weights may be those of a layer, and any number of them', () => {
  const endpoints = candidates([1, 1, 1, 1])
  const [a, b] = endpoints as [FakeCandidate, FakeCandidate]
  const share = (weightOf: WeightOf): number[] => {
    const picker = rendezvous()(endpoints, seededRandom(1), weightOf)
    const picks = keys.map((key) => picker.pick(context(key)))
    return endpoints.map((endpoint) => picks.filter((pick) => pick === endpoint).length / keys.length)
  }
  const warming = share((endpoint) => (endpoint === a ? 0.1 : 1))
  expect(warming[0]).toBeGreaterThan(0.02)
  expect(warming[0]).toBeLessThan(0.05)
  expect(share((endpoint) => (endpoint === b ? 1 : 0))).toEqual([0, 1, 0, 0])
  expect(share((endpoint) => (endpoint === b ? 1 : -1))).toEqual([1, 0, 0, 0])
  for (const weight of [0, -1, NaN, Infinity]) expect(share(() => weight)).toEqual([1, 0, 0, 0])
})

test.each([0, 1, 3, 65_537, 1.5, -8, NaN, Infinity, 8_388_608, '64'])(
  'a table of %s is refused',
  (tableSize) => {
    const options = { tableSize } as { tableSize: number }
    expect(() => rendezvous(options)).toThrow(FairleadError)
    expect(() => rendezvous(options)).toThrow('it must be a power of two from 2 to 4194304')
  },
)

test.each([2, 4, 65_536, 4_194_304])('a table of %s is taken', (tableSize) => {
  expect(() => rendezvous({ tableSize })).not.toThrow()
})
