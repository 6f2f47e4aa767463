import { describe, expect, test } from 'vitest'
import { seededRandom } from '../testing/index.js'
import { Gradient2 } from './gradient2.js'

const DEFAULTS = { initialLimit: 20, minLimit: 20, maxLimit: 200, queueSize: 4, rttTolerance: 1.5 }

/** A service that works on so many requests at once, each for so long; what is above that queues at it. */
interface Service {
  readonly atOnce: number
  readonly workMs: number
}

/** Offers more than the service can do: as many are in flight as the limit lets. Each step is a sample. */
class Saturated {
  readonly gradient = new Gradient2(DEFAULTS)
  readonly #random = seededRandom(1)
  readonly #noise: number

  /** @param noise By this share samples are off, up or down, at most. */
  constructor(noise: number) {
    this.#noise = noise
  }

  /** Returns the limits. */
  run(samples: number, { atOnce, workMs }: Service, share = 1): number[] {
    return Array.from({ length: samples }, () => {
      const inflight = Math.ceil(this.gradient.limit * share)
      const off = 1 + this.#noise * (2 * this.#random.next() - 1)
      this.gradient.update(workMs * Math.max(1, inflight / atOnce) * off, inflight)
      return this.gradient.limit
    })
  }
}

function median(limits: readonly number[]): number {
  return limits.toSorted((a, b) => a - b)[limits.length >> 1] ?? 0
}

/** Where the limit stands still: limit x (1 - 1.5 x usual / latency) = queueSize, with latency = usual x limit / atOnce. */
const settled = (atOnce: number): number => 1.5 * atOnce + DEFAULTS.queueSize

// 10 samples a second: two hours.
const LONG = 72_000

describe.each([0, 0.1, 0.3])('with latencies that are off by up to %d', (noise) => {
  test('converges to what the service can do at once and half as much again, and stays there', () => {
    const load = new Saturated(noise)
    const limits = load.run(LONG, { atOnce: 50, workMs: 10 })
    expect(limits.findIndex((limit) => limit >= 0.8 * settled(50))).toBeLessThan(200)
    for (let from = 300; from + 600 <= LONG; from += 600) {
      const typical = median(limits.slice(from, from + 600))
      expect(typical).toBeGreaterThan(0.7 * settled(50))
      expect(typical).toBeLessThan(1.3 * settled(50))
    }
  })

  test('follows a service that loses half of its instances, and gets them back', () => {
    const load = new Saturated(noise)
    load.run(1000, { atOnce: 100, workMs: 10 })
    const halved = load.run(3000, { atOnce: 50, workMs: 10 })
    expect(median(halved.slice(100, 400))).toBeLessThan(1.3 * settled(50))
    expect(median(halved.slice(1000))).toBeLessThan(1.3 * settled(50))
    const back = load.run(1000, { atOnce: 100, workMs: 10 })
    expect(median(back.slice(300))).toBeGreaterThan(0.7 * settled(100))
  })

  test('learns that a service has become slower for good', () => {
    const load = new Saturated(noise)
    load.run(1000, { atOnce: 50, workMs: 10 })
    for (const workMs of [18, 60, 3]) {
      const limits = load.run(3000, { atOnce: 50, workMs })
      expect(median(limits.slice(1500))).toBeGreaterThan(0.7 * settled(50))
      expect(median(limits.slice(1500))).toBeLessThan(1.3 * settled(50))
    }
  })
})

test('is measured first, at the initial limit', () => {
  const gradient = new Gradient2(DEFAULTS)
  for (let sample = 1; sample <= 9; sample++) gradient.update(sample, 20)
  expect([gradient.usualMs, gradient.limit]).toEqual([0, 20])
  gradient.update(10, 20)
  expect([gradient.usualMs, gradient.limit]).toEqual([5.5, 20])
})

test('stays where it is while less than half of it is used, and learns what is usual', () => {
  const load = new Saturated(0)
  load.run(200, { atOnce: 50, workMs: 10 })
  const { limit } = load.gradient
  const slow = load.run(1000, { atOnce: 50, workMs: 20 }, 0.4)
  expect(new Set(slow)).toEqual(new Set([limit]))
  expect(load.gradient.usualMs).toBeGreaterThan(19)
  expect(load.gradient.usualMs).toBeLessThanOrEqual(20)
})

test('rises by a fifth of queueSize a sample, and falls by a tenth at most', () => {
  const gradient = new Gradient2({ ...DEFAULTS, maxLimit: 1000, initialLimit: 500 })
  for (let sample = 0; sample < 10; sample++) gradient.update(10, 500)
  for (let sample = 0; sample < 5; sample++) gradient.update(15, 500)
  expect(gradient.limit).toBe(504)
  gradient.update(1e6, 500)
  expect(gradient.limit).toBe(Math.floor(504 * 0.9 + 0.8))
})

test('is halved every 600 samples, for 10 of those that began after it', () => {
  const load = new Saturated(0)
  load.run(610, { atOnce: 50, workMs: 10 })
  const before = load.gradient.limit
  expect(before).toBe(Math.floor(settled(50)))
  load.run(1, { atOnce: 50, workMs: 10 })
  const halved = load.gradient.limit
  expect(halved).toBe(Math.floor(before / 2))
  // From before.
  for (let sample = 0; sample < 20; sample++) load.gradient.update(1000, before)
  const measured = load.run(10, { atOnce: 50, workMs: 12 })
  expect([measured[8], measured[9], load.gradient.usualMs]).toEqual([halved, before, 12])
})

test('stays within its bounds', () => {
  const load = new Saturated(0)
  expect(Math.max(...load.run(3000, { atOnce: 500, workMs: 10 }))).toBe(200)
  expect(load.run(50, { atOnce: 500, workMs: 1e6 }).at(-1)).toBe(20)
})
