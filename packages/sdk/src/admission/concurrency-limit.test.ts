import { describe, expect, test } from 'vitest'
import { AdaptiveLimit } from './concurrency-limit.js'

const SETTINGS = { initialLimit: 100, minLimit: 10, maxLimit: 200, queueSize: 4, rttTolerance: 1.5 }

/** One that has learnt that 10 ms are usual: ten windows of 100 ms. */
function learnt(): {
  limit: AdaptiveLimit
  window: (samples: readonly (readonly [number, number])[]) => number
} {
  const limit = new AdaptiveLimit(SETTINGS)
  let now = 0
  /** A window of samples, at the end of which it says what the limit is. */
  const window = (samples: readonly (readonly [number, number])[]): number => {
    samples.forEach(([least, most], index) => {
      if (index === samples.length - 1) now += 100
      limit.observe(least, most, 100, now)
    })
    return limit.current
  }
  for (let each = 0; each < 10; each++) window(exactly(10, 10))
  return { limit, window }
}

function exactly(ms: number, count: number): readonly (readonly [number, number])[] {
  return Array.from({ length: count }, () => [ms, ms] as const)
}

describe('a limit goes by windows', () => {
  test('of 100 ms and 10 calls at least', () => {
    const { limit, window } = learnt()
    for (let call = 1; call <= 9; call++) limit.observe(500, 500, 100, 1e6)
    expect(limit.current).toBe(100)
    limit.observe(500, 500, 100, 1e6)
    expect(limit.current).toBe(90)
    // The next one is as long as two such calls take, but no longer than a second.
    for (let call = 1; call <= 20; call++) limit.observe(500, 500, 100, 1e6 + 999)
    expect(limit.current).toBe(90)
    limit.observe(500, 500, 100, 1e6 + 1000)
    expect(limit.current).toBe(82)
    expect(window([])).toBe(82)
  })

  test('by their median: a few that take long do not move it, and many do', () => {
    const { window } = learnt()
    expect(window([...exactly(10, 40), ...exactly(5000, 39)])).toBe(100)
    expect(window([...exactly(10, 39), ...exactly(5000, 41)])).toBe(91)
  })
})

describe('a latency of which our own event loop hides a part', () => {
  test('says nothing where the usual one is possible', () => {
    const { window } = learnt()
    for (let each = 0; each < 20; each++) window(Array.from({ length: 50 }, () => [2, 800] as const))
    expect(window([[10, 10]])).toBe(100)
  })

  test('counts with what it was at least or at most, where it is not', () => {
    const { window } = learnt()
    expect(window(Array.from({ length: 10 }, () => [1000, 2000] as const))).toBe(90)
    const { window: quick } = learnt()
    expect(quick(Array.from({ length: 10 }, () => [0, 5] as const))).toBe(100)
  })
})
