import { registeredWeight } from '../picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FakeCandidate, keyHash, seededRandom } from '../../testing/index.js'
import { balancers } from '../balancers.js'
import { locality, type LocalityOptions } from './locality.js'
import type { Balancer, PickContext, Picker } from '../picker.js'
import { zoneShares } from './zone-shares.js'

const context: PickContext<FakeCandidate> = { now: 0, tried: [] }

/** So many endpoints in each zone. */
function fleet(counts: Readonly<Record<string, number>>, weight = 1): FakeCandidate[] {
  return Object.entries(counts).flatMap(([zone, count], place) =>
    Array.from({ length: count }, (_, index) => new FakeCandidate(1 + place * 1000 + index, weight, 0, zone)),
  )
}

function make(
  endpoints: readonly FakeCandidate[],
  options: Partial<LocalityOptions> = {},
): Picker<FakeCandidate> {
  return locality({ zone: 'a', ...options })(balancers.weighted_round_robin)(
    endpoints,
    seededRandom(1),
    registeredWeight,
  )
}

const PICKS = 10_000

/** All of them, in sums of fractions. */
const all = expect.closeTo(1) as number

function shares(picker: Picker<FakeCandidate>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let n = 0; n < PICKS; n++) {
    const zone = picker.pick(context)?.instance.locality.zone ?? 'none'
    counts[zone] = (counts[zone] ?? 0) + 1 / PICKS
  }
  return counts
}

describe('the own zone', () => {
  test('gets all while it has its part of the capacity', () => {
    expect(shares(make(fleet({ a: 4, b: 4, c: 4 })))).toEqual({ a: all })
    expect(shares(make(fleet({ b: 2, a: 4 })))).toEqual({ a: all })
  })

  test('with less, gives the rest to zones in proportion to what they have to spare', () => {
    // A fifth of the capacity for a third of the clients: 60%. b has 2/5 - 1/3 to spare, and so has c.
    const even = shares(make(fleet({ a: 4, b: 8, c: 8 })))
    expect(even['a']).toBeCloseTo(0.6, 1.5)
    expect(even['b']).toBeCloseTo(0.2, 1.5)
    // c has just what it needs.
    const uneven = shares(make(fleet({ a: 2, b: 6, c: 4 })))
    expect(uneven['a']).toBeCloseTo(0.5, 1.5)
    expect(uneven['b']).toBeCloseTo(0.5, 1.5)
    expect(uneven['c'] ?? 0).toBe(0)
  })

  test('counts by weight, and by what can be sent requests', () => {
    const endpoints = [...fleet({ a: 3 }, 4), ...fleet({ x: 0, b: 12 })]
    const picker = make(endpoints)
    expect(shares(picker)).toEqual({ a: all })
    // 4 of 16 of the weight are left for half of the clients.
    for (const endpoint of endpoints.slice(0, 2)) endpoint.blocked = true
    picker.refresh?.(0)
    expect(shares(picker)['a']).toBeCloseTo(0.5, 1.5)
    for (const endpoint of endpoints.slice(0, 3)) endpoint.blocked = true
    // At once, by passing over; after a refresh it is not even tried.
    expect(shares(picker)).toEqual({ b: all })
    picker.refresh?.(0)
    expect(shares(picker)).toEqual({ b: all })
    for (const endpoint of endpoints) endpoint.blocked = true
    picker.refresh?.(0)
    expect(picker.pick(context)).toBeUndefined()
    for (const endpoint of endpoints) endpoint.blocked = false
    picker.refresh?.(0)
    expect(shares(picker)).toEqual({ a: all })
  })

  test('counts clients as told', () => {
    expect(shares(make(fleet({ a: 4, b: 4 }), { callerShare: 1 }))['a']).toBeCloseTo(0.5, 1.5)
    expect(shares(make(fleet({ a: 4, b: 12 }), { callerShare: 0.25 }))).toEqual({ a: all })
  })
})

describe('zones do not count', () => {
  test.each([
    ['too few endpoints to choose from, 5 of the 6 that it takes', { a: 2, b: 3 }, {}],
    [
      'too few endpoints to choose from, 10 of the 11 that it takes',
      { a: 5, b: 5 },
      { minimumEndpoints: 11 },
    ],
    ['no endpoint is in a, our own', { b: 4, c: 4 }, {}],
    ['all endpoints are in a, our own', { a: 8 }, {}],
  ])('%s', (why, counts, options) => {
    const picker = make(fleet(counts), options)
    const steps: string[] = []
    picker.explain?.(context, {
      step: (text) => void steps.push(text),
      compared: () => undefined,
      skipped: () => undefined,
    })
    expect(steps).toEqual([`zones do not count: ${why}`, 'next in rotation'])
    const got = shares(picker)
    const sum = Object.values(counts).reduce((sum, count) => sum + count, 0)
    for (const [zone, count] of Object.entries(counts)) expect(got[zone]).toBeCloseTo(count / sum, 1.5)
  })
})

test('where they do not, the policy is kept up to date all the same, if it has to be', () => {
  const endpoints = fleet({ a: 2 })
  expect(make(endpoints)).not.toHaveProperty('refresh')
  let refreshedAt = NaN
  const aging: Balancer = () => ({ pick: () => undefined, refresh: (now) => void (refreshedAt = now) })
  locality({ zone: 'a' })(aging)(endpoints, seededRandom(1), registeredWeight).refresh?.(7)
  expect(refreshedAt).toBe(7)
})

test('instances without a zone are one of their own', () => {
  const nowhere = Array.from({ length: 6 }, (_, index) => new FakeCandidate(5000 + index))
  expect(shares(make([...nowhere, ...fleet({ a: 3 })]))['none']).toBeCloseTo(1 / 3, 1.5)
})

test('a key keeps to its zone', () => {
  const picker = locality({ zone: 'a' })(balancers.maglev)(
    fleet({ a: 2, b: 6 }),
    seededRandom(1),
    registeredWeight,
  )
  for (const key of ['ann', 'bob', 'cid', 'dan']) {
    const hash = keyHash(key)
    const first = picker.pick({ ...context, hash })
    for (let n = 0; n < 20; n++) expect(picker.pick({ ...context, hash })).toBe(first)
  }
})

describe('shares of zones', () => {
  const someZones = fc
    .array(fc.integer({ min: 0, max: 1000 }), { minLength: 2, maxLength: 8 })
    .filter((capacities) => capacities.some((capacity) => capacity > 0))

  test('clients spread as assumed load every zone by its capacity, exactly', () => {
    fc.assert(
      fc.property(someZones, (capacities) => {
        const total = capacities.reduce((sum, capacity) => sum + capacity, 0)
        const load = capacities.map(() => 0)
        capacities.forEach((_, home) => {
          const zones = capacities.map((capacity, zone) => ({ capacity, own: zone === home }))
          const got = zoneShares(zones, 1 / capacities.length)
          expect(got.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1)
          got.forEach((share, zone) => (load[zone] = (load[zone] ?? 0) + share / capacities.length))
        })
        capacities.forEach((capacity, zone) => expect(load[zone]).toBeCloseTo(capacity / total, 6))
      }),
    )
  })

  test('no endpoints: nothing to share', () => {
    expect(zoneShares([{ capacity: 0, own: true }], 1)).toEqual([0])
  })
})

test.each([
  [{ zone: '' }, "zone is '': it must be the name of a zone"],
  [{ zone: 'a', callerShare: 0 }, 'callerShare is 0: it must be a number above 0, up to 1'],
  [{ zone: 'a', minimumEndpoints: 0.5 }, /minimumEndpoints is 0.5: it must be a whole number from 1/],
])('refuses %j', (options, message) => {
  expect(() => locality(options)).toThrow(message)
})
