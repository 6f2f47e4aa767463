import { expect, test } from 'vitest'
import { PeakEwma } from './peak-ewma.js'

test('stands at its seed until the first sample, which replaces it', () => {
  const ewma = new PeakEwma(30, 0)
  expect(ewma.estimateUs(0) / 1000).toBe(30)
  ewma.observe(4, 0)
  expect(ewma.estimateUs(0) / 1000).toBe(4)
})

/** An average whose first samples are behind it. */
function warm(latencyMs: number): PeakEwma {
  const ewma = new PeakEwma(30, 0)
  for (let n = 0; n < 10; n++) ewma.observe(latencyMs, 0)
  return ewma
}

test('averages its first samples, so that a cold start does not pass for a peak', () => {
  const ewma = new PeakEwma(30, 0)
  ewma.observe(100, 0)
  for (let n = 0; n < 9; n++) ewma.observe(10, 0)
  expect(ewma.estimateUs(0) / 1000).toBeCloseTo(19, 1)
  ewma.observe(50, 0)
  expect(ewma.estimateUs(0) / 1000).toBe(50)
})

test('jumps up to a peak and comes down over the time constant of 10 s', () => {
  const ewma = warm(5)
  ewma.observe(100, 0)
  expect(ewma.estimateUs(0) / 1000).toBe(100)
  ewma.observe(5, 10_000)
  // 63% of the way from 100 to 5.
  expect(ewma.estimateUs(10_000) / 1000).toBeCloseTo(100 / Math.E + 5 * (1 - 1 / Math.E), 2)
})

test('decays while nothing is sent, and reading does not change it', () => {
  const ewma = warm(100)
  expect(ewma.estimateUs(10_000) / 1000).toBeCloseTo(100 / Math.E, 2)
  expect(ewma.estimateUs(10_000) / 1000).toBeCloseTo(100 / Math.E, 2)
  expect(ewma.estimateUs(0) / 1000).toBe(100)
})

test('never decays to nothing, as requests in flight are counted in multiples of it', () => {
  for (const now of [100_000, 1_000_000, 2 ** 40]) expect(warm(5).estimateUs(now)).toBeGreaterThan(0)
})

test('follows the exponential at every age', () => {
  const ewma = warm(4000)
  for (let now = 0; now < 60_000; now += 730)
    expect(ewma.estimateUs(now) / 4e6).toBeCloseTo(Math.exp(-now / 10_000), 2)
})

test('failures multiply the estimate up to 5 s, however fast they were', () => {
  const ewma = warm(5)
  ewma.penalize(0.1, 0)
  expect(ewma.estimateUs(0) / 1000).toBe(20)
  for (let n = 0; n < 10; n++) ewma.penalize(0.1, 0)
  expect(ewma.estimateUs(0) / 1000).toBe(5000)
})

test('a failure that took long costs what it took', () => {
  const ewma = new PeakEwma(30, 0)
  ewma.penalize(12_000, 12_000)
  expect(ewma.estimateUs(12_000) / 1000).toBe(12_000)
})

test('an endpoint that never answered but failed does not count as new', () => {
  const ewma = new PeakEwma(30, 0)
  ewma.penalize(1, 0)
  expect(ewma.estimateUs(0) / 1000).toBe(120)
  ewma.observe(2, 0)
  expect(ewma.estimateUs(0) / 1000).toBe(120)
})

test('what took an hour is as slow as what took 35 min 47 s, where 32 bits end', () => {
  const ewma = warm(5)
  ewma.observe(3_600_000, 0)
  expect(ewma.estimateUs(0)).toBe(2 ** 31 - 1)
  expect(ewma.estimateUs(10_000) / 2 ** 31).toBeCloseTo(1 / Math.E, 4)
})

test('is settled by its first 10 samples', () => {
  const latency = new PeakEwma(30, 0)
  let samples = 0
  while (!latency.settled && samples < 100) {
    latency.observe(5, 0)
    samples++
  }
  expect(samples).toBe(10)
})
