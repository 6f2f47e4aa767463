import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HashRing, RingPoints } from './hash-ring.js'

const half = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  // Close together, equal, and at the ends, so that arcs are crowded.
  fc.constantFrom(0, 1, 2, -1, -2, 2 ** 31 - 1, -(2 ** 31)),
)
const hash = fc.tuple(half, half)

const valueOf = ([high, low]: readonly [number, number]): bigint =>
  (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)

function ringOf(hashes: readonly (readonly [number, number])[]): HashRing {
  const points = new RingPoints(hashes.length + 3)
  hashes.forEach(([high, low], owner) => points.add(high, low, owner))
  return new HashRing(points)
}

test('finds the first point at or after a hash, going round; of equal points the first given', () => {
  fc.assert(
    fc.property(fc.array(hash, { minLength: 1, maxLength: 200 }), fc.array(hash), (hashes, asked) => {
      const ring = ringOf(hashes)
      const sorted = hashes
        .map((point, owner) => ({ value: valueOf(point), owner }))
        .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : a.owner - b.owner))
      expect(Array.from({ length: ring.size }, (_, index) => ring.owner(index))).toEqual(
        sorted.map(({ owner }) => owner),
      )
      for (const each of [...asked, ...hashes]) {
        const index = sorted.findIndex(({ value }) => value >= valueOf(each))
        expect(ring.at(...each)).toBe(Math.max(index, 0))
      }
    }),
  )
})

test('an empty ring has no point', () => {
  const ring = ringOf([])
  expect(ring.size).toBe(0)
  expect(ring.at(1, 2)).toBe(0)
})
