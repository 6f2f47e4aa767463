import { parseTimeout } from '@connectrpc/connect/protocol-grpc'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatGrpcTimeout, parseGrpcTimeout } from './grpc-timeout.js'

test.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3000],
  ['4m', 4],
  ['500u', 0.5],
  ['1n', 0.000_001],
  ['99999999H', 99_999_999 * 3_600_000],
  ['00000001m', 1],
  // What grpc-go sends when no time is left.
  ['0n', 0],
])('%s is %d ms', (text, ms) => {
  expect(parseGrpcTimeout(text)).toBe(ms)
})

test.each([
  '',
  'm',
  '1',
  '123456789m',
  '1ms',
  '1s',
  '-1m',
  '+1m',
  '1.5S',
  ' 1m',
  '1m ',
  '1 m',
  '0x1m',
  '1m\n',
  '١m',
])('%j is not in the format', (text) => {
  expect(parseGrpcTimeout(text)).toBeUndefined()
})

const value = fc
  .tuple(fc.stringMatching(/^\d{1,8}$/), fc.constantFrom('H', 'M', 'S', 'm', 'u', 'n'))
  .map(([digits, unit]) => digits + unit)

test('any text means what it means to Connect’s gRPC server, or nothing to both', () => {
  fc.assert(
    fc.property(
      fc.oneof(value, fc.string({ maxLength: 10 }), fc.stringMatching(/^\d{0,10}[A-Za-z]$/)),
      (text) => {
        const { timeoutMs } = parseTimeout(text, Infinity)
        const parsed = parseGrpcTimeout(text)
        // Connect multiplies by a rounded 0.000001.
        if (timeoutMs === undefined) expect(parsed).toBeUndefined()
        else expect(Math.abs((parsed ?? NaN) - timeoutMs)).toBeLessThanOrEqual(timeoutMs * Number.EPSILON * 2)
      },
    ),
  )
})

/** The unit that a time is written in has room for it, and no finer one has. */
const UNIT_MS = { m: 1, S: 1000, M: 60_000, H: 3_600_000 }
const LONGEST_MS = 99_999_999 * UNIT_MS.H

test('a time is written in the format, in the finest unit that has room, never longer than it is, nor below 1', () => {
  const time = fc.oneof(
    fc.double({ min: 0, max: LONGEST_MS, noNaN: true }),
    fc.double({ min: 0, max: 10, noNaN: true }),
    ...[...Object.values(UNIT_MS), 1e8, 1e11, 6e12].map((ms) =>
      fc.integer({ min: -2, max: 2 }).map((off) => Math.max(0, ms + off)),
    ),
  )
  fc.assert(
    fc.property(time, (ms) => {
      const text = formatGrpcTimeout(ms)
      const unit = text.at(-1) as keyof typeof UNIT_MS
      const told = parseGrpcTimeout(text) ?? NaN
      expect(text).toMatch(/^[1-9]\d{0,7}[HMSm]$/)
      expect(told).toBeLessThanOrEqual(Math.max(ms, 1))
      expect(ms - told).toBeLessThan(UNIT_MS[unit])
      const finer = { m: undefined, S: UNIT_MS.m, M: UNIT_MS.S, H: UNIT_MS.M }[unit]
      if (finer !== undefined) expect(Math.floor(ms / finer)).toBeGreaterThan(99_999_999)
    }),
    { examples: [[0], [0.4], [99_999_999], [100_000_000], [LONGEST_MS]] },
  )
})

test('what is written in milliseconds comes back as it was', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 99_999_999 }), (ms) => {
      expect(parseGrpcTimeout(formatGrpcTimeout(ms))).toBe(ms)
    }),
  )
})

test('what is longer than the format can say is the longest that it can', () => {
  expect(formatGrpcTimeout(1e300)).toBe('99999999H')
})
