import { expect, test } from 'vitest'
import { LatencyByLoad } from './latency-by-load.js'

test('knows nothing at first', () => {
  expect(new LatencyByLoad().expected(1, 0)).toBeUndefined()
})

test('is the median of the last 16, at about the number in flight', () => {
  const latencies = new LatencyByLoad()
  for (let n = 0; n < 30; n++) latencies.record(1, 1000, 0)
  for (const ms of [9, 8, 7, 6, 5, 4, 3, 2, 1, 100, 100, 100, 10, 11, 12, 13]) latencies.record(1, ms, 0)
  for (const ms of [50, 70, 60]) latencies.record(5, ms, 0)
  expect(latencies.expected(1, 0)).toBe(8.5)
  for (const inflight of [4, 5, 6, 7]) expect(latencies.expected(inflight, 0)).toBe(60)
})

test('is that of the nearest number that has been seen, of two as near the larger', () => {
  const latencies = new LatencyByLoad()
  latencies.record(1, 1, 0)
  latencies.record(4, 4, 0)
  expect(latencies.expected(2, 0)).toBe(4)
  expect(latencies.expected(1_000_000, 0)).toBe(4)
  latencies.record(1, 3, 0)
  expect(latencies.expected(1, 0)).toBe(2)
})

test('forgets what was seen long ago', () => {
  const latencies = new LatencyByLoad()
  latencies.record(1, 900, 0)
  latencies.record(1, 10, 5000)
  latencies.record(8, 70, 0)
  expect(latencies.expected(1, 10_000)).toBe(455)
  expect(latencies.expected(1, 10_001)).toBe(10)
  expect(latencies.expected(8, 10_001)).toBe(10)
  expect(latencies.expected(8, 15_001)).toBeUndefined()
})
