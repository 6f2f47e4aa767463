import { registeredWeight } from '../picker.js'
import { describe, expect, test } from 'vitest'
import type { FakeCandidate } from '../../testing/index.js'
import { candidates, seededRandom } from '../../testing/index.js'
import { balancers } from '../balancers.js'
import { slowStart, type SlowStartOptions } from './slow-start.js'

const WINDOW_MS = 10_000
const PICKS = 20_000

/** The share of the last endpoint, which is new since 0, at a time. */
function shareOfNew(now: number, options: SlowStartOptions = {}, weights = [1, 1, 1, 1]): number {
  const endpoints = candidates(weights)
  const newest = endpoints.at(-1) as FakeCandidate
  for (const endpoint of endpoints) endpoint.usableSince = -1_000_000
  newest.usableSince = 0
  const layer = slowStart({ windowMs: WINDOW_MS, ...options })
  const picker = layer(balancers.weighted_round_robin)(endpoints, seededRandom(1), registeredWeight)
  let picked = 0
  for (let n = 0; n < PICKS; n++) if (picker.pick({ now, tried: [] }) === newest) picked++
  return picked / PICKS
}

/** Of four of equal weight, the share of one that gets a part of its own. */
const ofFour = (part: number): number => part / (3 + part)

describe('an endpoint that is new', () => {
  // Envoy's formula, slow_start.rst.
  test.each([
    [{}, 0, 0.1],
    [{}, 1000, 0.1],
    [{}, 5000, 0.5],
    [{}, 9000, 0.9],
    [{}, 10_000, 1],
    [{}, 1_000_000, 1],
    [{ minimumPercent: 30 }, 1000, 0.3],
    [{ aggression: 2 }, 2500, 0.5],
    [{ aggression: 0.5 }, 5000, 0.25],
    // Its first second counts as one.
    [{ minimumPercent: 1 }, 10, 0.1],
  ])('%j: after %d ms it has %d of its share', (options, now, part) => {
    expect(shareOfNew(now, options)).toBeCloseTo(ofFour(part), 1.8)
  })

  test('has it of its weight', () => {
    expect(shareOfNew(5000, {}, [1, 1, 1, 4])).toBeCloseTo(2 / 5, 1.8)
  })
})

test('where all are new they get all there is', () => {
  const endpoints = candidates([1, 1])
  const picker = slowStart()(balancers.peak_ewma)(endpoints, seededRandom(1), registeredWeight)
  const picked = new Set(Array.from({ length: 100 }, () => picker.pick({ now: 0, tried: [] })))
  expect(picked).toEqual(new Set(endpoints))
})

test('the only one that is eligible gets all, new or not', () => {
  const endpoints = candidates([1, 1]) as [FakeCandidate, FakeCandidate]
  endpoints[0].blocked = true
  const picker = slowStart()(balancers.round_robin)(endpoints, seededRandom(1), registeredWeight)
  for (let n = 0; n < 100; n++) expect(picker.pick({ now: 0, tried: [] })).toBe(endpoints[1])
})

test.each([
  [{ windowMs: 0 }, 'windowMs is 0: it must be a number of milliseconds, 1 or more'],
  [{ aggression: 0 }, 'aggression is 0: it must be a number above 0'],
  [{ aggression: NaN }, 'aggression is NaN: it must be a number above 0'],
  [{ minimumPercent: 101 }, 'minimumPercent is 101: it must be a number of percent from 1 to 100'],
])('refuses %j', (options, message) => {
  expect(() => slowStart(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message }))
})
