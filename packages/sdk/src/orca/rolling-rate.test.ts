import { expect, test } from 'vitest'
import { RollingRate } from './rolling-rate.js'

test('is what has come in the last one to two seconds, from the first on', () => {
  const rate = new RollingRate(5000)
  expect(rate.perSecond(5000)).toBe(0)
  for (let now = 5000; now < 9000; now += 10) {
    rate.count(now)
    // At first the second before counts as empty.
    if (now >= 7000) expect(rate.perSecond(now)).toBeCloseTo(100, -1)
    else expect(rate.perSecond(now)).toBeLessThanOrEqual(101)
  }
  rate.count(9000)
  expect(rate.perSecond(9000)).toBeCloseTo(100, -1)
})

test('forgets within two seconds, and after a pause at once', () => {
  const rate = new RollingRate(0)
  for (let n = 0; n < 50; n++) rate.count(n)
  expect(rate.perSecond(1000)).toBeGreaterThan(20)
  expect(rate.perSecond(2000)).toBe(0)
  rate.count(60_000)
  expect(rate.perSecond(60_000)).toBe(1)
  expect(rate.perSecond(60_500)).toBeCloseTo(0.67, 2)
})
