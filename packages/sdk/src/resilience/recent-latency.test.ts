import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../testing/index.js'
import { RecentLatency } from './recent-latency.js'

test('a quantile is that of what was measured, at most an eighth and a thirty-second of a millisecond too high', () => {
  const latencies = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), {
    minLength: 20,
    maxLength: 400,
  })
  fc.assert(
    fc.property(latencies, fc.double({ min: 0, max: 0.999, noNaN: true }), (measured, quantile) => {
      const recent = new RecentLatency(new ManualClock())
      for (const ms of measured) recent.record(ms, 0)
      const sorted = measured.toSorted((one, other) => one - other)
      // So many lie above it.
      const above = Math.ceil(measured.length * (1 - quantile) + 1e-9)
      const exact = sorted[Math.max(0, measured.length - above)] ?? 0
      const found = recent.quantile(quantile) ?? -1
      expect(found).toBeGreaterThanOrEqual(sorted[Math.max(0, measured.length - above - 1)] ?? 0)
      expect(found).toBeLessThanOrEqual(
        (sorted[Math.min(measured.length - 1, measured.length - above + 1)] ?? exact) * 1.125 + 1 / 32,
      )
    }),
  )
})

test('too little is no quantile', () => {
  const recent = new RecentLatency(new ManualClock())
  for (let n = 0; n < 19; n++) recent.record(5, 0)
  expect(recent.quantile(0.95)).toBeUndefined()
})

test('what is older than a minute does not count, nor after a pause what is older than half of one', async () => {
  const clock = new ManualClock()
  const recent = new RecentLatency(clock)
  for (let n = 0; n < 100; n++) recent.record(1000, clock.now())
  await clock.advance(30_000)
  expect(recent.quantile(0.5)).toBeGreaterThan(900)
  for (let n = 0; n < 100; n++) recent.record(10, clock.now())
  await clock.advance(30_000)
  expect(recent.quantile(0.99)).toBeLessThan(20)
  await clock.advance(300_000)
  expect(recent.quantile(0.99)).toBeUndefined()
})

test('what is recorded while nobody asks grows old as well', () => {
  const recent = new RecentLatency(new ManualClock())
  for (let second = 0; second < 70; second++) {
    for (let n = 0; n < 100; n++) recent.record(second < 10 ? 1000 : 10, second * 1000)
  }
  expect(recent.quantile(0.99)).toBeLessThan(20)
})

test('it is computed anew after a quarter of a second, or for another quantile', async () => {
  const clock = new ManualClock()
  const recent = new RecentLatency(clock)
  for (let n = 0; n < 20; n++) recent.record(1, 0)
  const first = recent.quantile(0.5)
  for (let n = 0; n < 100; n++) recent.record(50, 0)
  expect(recent.quantile(0.5)).toBe(first)
  expect(recent.quantile(0.6)).toBeGreaterThan(40)
  await clock.advance(250)
  expect(recent.quantile(0.5)).toBeGreaterThan(40)
})

test('nothing that is measured is out of range', () => {
  const recent = new RecentLatency(new ManualClock())
  for (let n = 0; n < 20; n++) for (const ms of [-1, 0, 1e12, Infinity]) recent.record(ms, 0)
  expect(recent.quantile(0.1)).toBeLessThan(1)
  expect(recent.quantile(0.9)).toBeGreaterThan(3_600_000)
})
