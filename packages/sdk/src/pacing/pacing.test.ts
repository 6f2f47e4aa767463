import { expect, test } from 'vitest'
import { sleep } from '../clock.js'
import { ManualClock, seededRandom } from '../testing/index.js'
import { backoffDelay } from './backoff.js'
import { TokenBucket } from './token-bucket.js'

const never = new AbortController().signal

test('backoff doubles up to its ceiling, between half and all of it', () => {
  const random = seededRandom(1)
  const options = { baseMs: 100, maxMs: 1000 }
  for (const [failures, ceiling] of [
    [1, 100],
    [2, 200],
    [3, 400],
    [4, 800],
    [5, 1000],
    [5000, 1000],
  ] as const) {
    const delays = Array.from({ length: 200 }, () => backoffDelay(failures, options, random))
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(ceiling / 2)
    expect(Math.max(...delays)).toBeLessThanOrEqual(ceiling)
    // Spread out, or a fleet would ask in step.
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(ceiling / 3)
  }
})

test('a token bucket lets a burst through, then its rate', async () => {
  const clock = new ManualClock()
  const bucket = new TokenBucket({ capacity: 3, perSecond: 2 }, clock)
  const taken: number[] = []
  const run = (async () => {
    for (let n = 0; n < 6; n++) {
      await bucket.take(never)
      taken.push(clock.now())
    }
  })()
  await clock.advance(5000)
  await run
  expect(taken).toEqual([0, 0, 0, 500, 1000, 1500])
  await clock.advance(60_000)
  await bucket.take(never)
  expect(clock.now()).toBe(65_000)
})

test('sleep ends early when the signal aborts, and leaves no timer', async () => {
  const clock = new ManualClock()
  const stop = new AbortController()
  const slept = sleep(clock, 1000, stop.signal)
  expect(clock.pending).toBe(1)
  stop.abort()
  await slept
  expect(clock.pending).toBe(0)
  await sleep(clock, 1000, stop.signal)
})
