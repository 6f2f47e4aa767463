import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scaled } from './random.js'

const bits = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)))

test('a point falls into the slice that it lies in', () => {
  fc.assert(
    fc.property(bits, fc.integer({ min: 1, max: 2 ** 20 }), (point, count) => {
      expect(scaled(point, count)).toBe(Number((BigInt(point >>> 0) * BigInt(count)) >> 32n))
    }),
  )
})

test('it falls into one of them, also of 2^31', () => {
  fc.assert(
    fc.property(
      bits,
      fc.oneof(fc.integer({ min: 1, max: 2 ** 31 }), fc.constant(2 ** 31)),
      (point, count) => {
        const slice = scaled(point, count)
        expect(slice >= 0 && slice < count && Number.isInteger(slice)).toBe(true)
      },
    ),
  )
  expect(scaled(-1, 2 ** 31)).toBe(2 ** 31 - 1)
})
