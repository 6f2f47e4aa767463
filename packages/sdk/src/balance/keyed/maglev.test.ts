import { registeredWeight } from '../picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import xxhash from 'xxhash-wasm'
import { FairleadError } from '../../errors.js'
import { FakeCandidate, instanceAt, seededRandom } from '../../testing/index.js'
import { MaglevTable } from './maglev-table.js'
import { maglev } from './maglev.js'

const addresses = (...weights: readonly number[]): { name: string; weight: number }[] =>
  weights.map((weight, index) => ({ name: `127.0.0.1:${90 + index}`, weight }))

/** Endpoints at the addresses of Envoy's tests. */
const hosts = (count: number): FakeCandidate[] =>
  Array.from({ length: count }, (_, index) =>
    Object.assign(new FakeCandidate(1), { instance: instanceAt(`http://127.0.0.1:${90 + index}`) }),
  )

// test/extensions/load_balancing_policies/maglev/maglev_lb_test.cc, by the names of its tests.
describe("Envoy's tables", () => {
  const names = ['90', '91', '92', '93', '94', '95'].map((name) => ({ name, weight: 1 }))

  test.each<[string, { name: string; weight: number }[], number, number[]]>([
    ['Basic', addresses(1, 1, 1, 1, 1, 1), 7, [2, 4, 0, 1, 5, 0, 3]],
    ['BasicWithHostName', names, 7, [2, 5, 0, 3, 4, 1, 0]],
    ['Weighted', addresses(1, 2), 17, [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1]],
    [
      'LocalityWeightedSameLocalityWeights',
      addresses(1, 1),
      17,
      [1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1],
    ],
    [
      'LocalityWeightedDifferentLocalityWeights',
      addresses(8, 2),
      17,
      [1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0],
    ],
    ['WeightedSingleHost', addresses(7), 17, new Array<number>(17).fill(0)],
  ])('%s', (_, members, size, owners) => {
    expect([...new MaglevTable(members, size).owners]).toEqual(owners)
  })

  test('the documented 21,846 and 43,691 of 65,537 for weights of 1 and 2', () => {
    const { owners } = new MaglevTable(addresses(1, 2), 65_537)
    expect(owners.filter((owner) => owner === 0).length).toBe(21_846)
    expect(owners.filter((owner) => owner === 1).length).toBe(43_691)
  })

  test('BasicWithRetryHostPredicate: what is tried next', () => {
    const endpoints = hosts(6)
    const picker = maglev({ tableSize: 7 })(endpoints, seededRandom(1), registeredWeight)
    const request = { now: 0, tried: [] as FakeCandidate[], hash: { high: 0, low: 10 } }
    const [a, b] = endpoints as [FakeCandidate, FakeCandidate]
    expect(picker.pick(request)).toBe(b)
    expect(picker.pick({ ...request, tried: [b] })).toBe(a)
    expect(picker.pick({ ...request, tried: [a, b] })).toBe(endpoints[5])
  })
})

/** The construction as paper and Envoy write it: every member is looked at in every round. */
function plainTable(
  members: readonly { readonly name: string; readonly weight: number }[],
  size: number,
  hash: (text: string, seed: bigint) => bigint,
): number[] {
  const total = members.reduce((sum, { weight }) => sum + weight, 0)
  const entries = members.map(({ name, weight }) => ({
    share: weight / total,
    target: 0,
    next: hash(name, 0n) % BigInt(size),
    skip: (hash(name, 1n) % BigInt(size - 1)) + 1n,
  }))
  const largest = Math.max(...entries.map(({ share }) => share))
  const owners = new Array<number>(size).fill(-1)
  for (let round = 1; owners.includes(-1); round++) {
    for (const [member, entry] of entries.entries()) {
      if (round * entry.share < entry.target || !owners.includes(-1)) continue
      entry.target += largest
      while (owners[Number(entry.next)] !== -1) entry.next = (entry.next + entry.skip) % BigInt(size)
      owners[Number(entry.next)] = member
    }
  }
  return owners
}

const weights = fc.array(fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 65_535 })), {
  minLength: 1,
  maxLength: 30,
})
const membersOf = (weights: readonly number[]): { name: string; weight: number }[] =>
  weights.map((weight, index) => ({ name: `10.0.0.${index}:8080`, weight }))

test('the table is that of the plain construction, whatever the weights', async () => {
  const reference = await xxhash()
  fc.assert(
    fc.property(weights, fc.constantFrom(2, 3, 7, 31, 251, 509), (weights, size) => {
      const members = membersOf(weights)
      expect([...new MaglevTable(members, size).owners]).toEqual(
        plainTable(members, size, (text, seed) => reference.h64(text, seed)),
      )
    }),
  )
})

test('slots follow the weights', () => {
  fc.assert(
    fc.property(weights, fc.constantFrom(1009, 65_537), (weights, size) => {
      const { owners } = new MaglevTable(membersOf(weights), size)
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      weights.forEach((weight, index) => {
        const share = weight / total
        const slots = owners.filter((owner) => owner === index).length
        // After any number of rounds each has had within one turn of what its weight asks for, and so all of them
        // together within n: scaled to the size of the table that is its own turn, and its share of theirs.
        expect(Math.abs(slots - share * size)).toBeLessThanOrEqual(1 + share * weights.length)
      })
    }),
    { numRuns: 30 },
  )
})

test('when an endpoint leaves or comes, its keys move, and few others', () => {
  const sizes = fc.integer({ min: 3, max: 100 })
  fc.assert(
    fc.property(sizes, fc.nat(), fc.boolean(), (size, which, mixed) => {
      const leaving = which % size
      const all = membersOf(Array.from({ length: size }, (_, index) => (mixed ? 1 + ((7 * index) % 10) : 1)))
      const rest = all.filter((_, index) => index !== leaving)
      const { owners: before } = new MaglevTable(all, 65_537)
      const { owners: after } = new MaglevTable(rest, 65_537)
      let others = 0
      let moved = 0
      before.forEach((owner, slot) => {
        if (owner === leaving) return
        others++
        if (all[owner] !== rest[after[slot] ?? 0]) moved++
      })
      // Measured with 3 to 100 endpoints, weights of 1 to 10: 0.8% at most.
      expect(moved / others).toBeLessThan(0.016)
    }),
    { numRuns: 30 },
  )
})

test.each([0, 1, 4, 8, 65_536, 1.5, -7, NaN, Infinity, 5_000_077])(
  'a table of %s is refused',
  (tableSize) => {
    expect(() => maglev({ tableSize })).toThrow(FairleadError)
    expect(() => maglev({ tableSize })).toThrow(
      `tableSize is ${tableSize}: it must be a prime number from 2 to 5000011, such as 65537`,
    )
  },
)

test.each([2, 3, 65_537, 655_373, 5_000_011])('a table of %s is taken', (tableSize) => {
  expect(() => maglev({ tableSize })).not.toThrow()
})
