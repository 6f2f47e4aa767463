import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Modulus } from './modulus.js'

const half = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)),
)
const divisor = fc.oneof(
  fc.integer({ min: 1, max: 2 ** 26 }),
  fc.constantFrom(1, 2, 3, 7, 65_536, 65_537, 5_000_011, 2 ** 26),
)

test('is the remainder of the whole number', () => {
  fc.assert(
    fc.property(half, half, divisor, (high, low, divisor) => {
      const value = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
      expect(new Modulus(divisor).of(high, low)).toBe(Number(value % BigInt(divisor)))
    }),
    { numRuns: 5000 },
  )
})

test('is right on either side of every multiple', () => {
  fc.assert(
    fc.property(
      divisor,
      fc.bigInt({ min: 1n, max: 2n ** 37n }),
      fc.constantFrom(-1n, 0n, 1n),
      (divisor, n, off) => {
        const value = BigInt(divisor) * n + off
        const high = Number(BigInt.asIntN(32, value >> 32n))
        const low = Number(BigInt.asIntN(32, value))
        expect(new Modulus(divisor).of(high, low)).toBe(Number(value % BigInt(divisor)))
      },
    ),
    { numRuns: 5000 },
  )
})
