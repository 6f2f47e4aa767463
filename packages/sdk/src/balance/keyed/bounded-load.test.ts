import { registeredWeight } from '../picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FairleadError } from '../../errors.js'
import { candidates, keyHash, seededRandom, type FakeCandidate } from '../../testing/index.js'
import { maglev, type MaglevOptions } from './maglev.js'
import type { Balancer, PickContext } from '../picker.js'
import { rendezvous } from './rendezvous.js'
import { ringHash } from './ring-hash.js'

const context = (key: string | undefined): PickContext<FakeCandidate> => ({
  now: 0,
  tried: [],
  hash: key === undefined ? undefined : keyHash(key),
})

// A small table, as it is built for each example.
const made: readonly [string, (options: MaglevOptions) => Balancer][] = [
  ['ring_hash', (options) => ringHash({ minimumRingSize: 64, ...options })],
  ['maglev', (options) => maglev({ tableSize: 251, ...options })],
  ['rendezvous', (options) => rendezvous({ tableSize: 256, ...options })],
]

describe.each(made)('%s with a balance factor', (_, make) => {
  test('never gives an endpoint more than the factor times its share, whatever begins and ends', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 12 })
    const steps = fc.array(
      fc.record({ end: fc.boolean(), which: fc.nat(), key: fc.option(fc.nat({ max: 5 })) }),
      {
        maxLength: 300,
      },
    )
    const factor = fc.double({ min: 1, max: 3, noNaN: true })
    fc.assert(
      fc.property(weights, factor, steps, (weights, balanceFactor, script) => {
        const endpoints = candidates(weights)
        // In flight from before this picker, which then only has to make up for it.
        endpoints[0]?.begin()
        const picker = make({ balanceFactor })(endpoints, seededRandom(1), registeredWeight)
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        const open: FakeCandidate[] = []
        for (const { end, which, key } of script) {
          if (end) open.splice(which % (open.length || 1), 1)[0]?.end()
          const pick = picker.pick(context(key === null ? undefined : `user-${key}`))
          pick?.begin()
          const share = (pick?.instance.weight ?? NaN) / total
          const inflight = endpoints.reduce((sum, endpoint) => sum + endpoint.inflight, 0)
          expect(pick?.inflight).toBeLessThanOrEqual(Math.ceil(inflight * balanceFactor * share + 1e-9))
          open.push(pick as FakeCandidate)
        }
      }),
    )
  })

  test('leaves every key where it is as long as nothing is in flight', () => {
    const endpoints = candidates([1, 2, 3, 4])
    const free = make({})(endpoints, seededRandom(1), registeredWeight)
    const bounded = make({ balanceFactor: 1 })(endpoints, seededRandom(1), registeredWeight)
    for (let n = 0; n < 200; n++) {
      expect(bounded.pick(context(`user-${n}`))).toBe(free.pick(context(`user-${n}`)))
    }
  })

  test('leaves every key where it is while all endpoints have their share', () => {
    const endpoints = candidates([1, 2, 3, 4])
    const free = make({})(endpoints, seededRandom(1), registeredWeight)
    const bounded = make({ balanceFactor: 1 })(endpoints, seededRandom(1), registeredWeight)
    for (const endpoint of endpoints) {
      for (let request = 0; request < 10 * endpoint.instance.weight; request++) endpoint.begin()
    }
    for (let n = 0; n < 200; n++) {
      expect(bounded.pick(context(`user-${n}`))).toBe(free.pick(context(`user-${n}`)))
    }
  })

  test('sends what is too much for one to the same others each time', () => {
    const run = (order: (endpoints: FakeCandidate[]) => FakeCandidate[], seed: number): string[] => {
      const picker = make({ balanceFactor: 1.25 })(
        order(candidates([1, 1, 1, 1, 1, 1, 1, 1])),
        seededRandom(seed),
        registeredWeight,
      )
      return Array.from({ length: 40 }, () => {
        const pick = picker.pick(context('hot'))
        pick?.begin()
        return pick?.instance.origin ?? ''
      })
    }
    const origins = run((endpoints) => endpoints, 1)
    // 40 in flight, of which one may have 1.25 x 5, rounded up: 7. So at least six share them.
    expect(new Set(origins).size).toBeGreaterThanOrEqual(6)
    expect(run((endpoints) => endpoints.reverse(), 2)).toEqual(origins)
  })

  test('takes the least loaded where those with room are not eligible', () => {
    const endpoints = candidates([1, 2, 1, 1])
    const [a, b, ...others] = endpoints as [FakeCandidate, FakeCandidate, FakeCandidate, FakeCandidate]
    const picker = make({ balanceFactor: 1 })(endpoints, seededRandom(1), registeredWeight)
    for (const other of others) other.available = false
    for (let n = 0; n < 5; n++) a.begin()
    for (let n = 0; n < 8; n++) b.begin()
    for (const key of ['x', 'y', 'z']) expect(picker.pick(context(key))).toBe(b)
    b.available = false
    expect(picker.pick(context('x'))).toBe(a)
    expect(picker.pick({ ...context('x'), tried: [a] })).toBeUndefined()
  })

  test.each([0.99, 0, -1, 11, NaN, '1.25'])('%s is refused', (balanceFactor) => {
    const options = { balanceFactor } as MaglevOptions
    expect(() => make(options)).toThrow(FairleadError)
    expect(() => make(options)).toThrow('it must be a number from 1 to 10, such as 1.25')
  })
})
