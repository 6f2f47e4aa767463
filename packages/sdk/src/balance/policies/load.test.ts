import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FakeCandidate } from '../../testing/index.js'
import { comparisonBy, leastRequest, peakEwma, type Load } from './load.js'

const waiting: Load = ({ inflight }) => inflight

// The first two have a comparison of their own.
test.each([
  ['least request', leastRequest],
  ['peak EWMA', peakEwma],
  ['a custom load', waiting],
])('%s: a comparison is one of the loads', (_, load) => {
  const secondIsLess = comparisonBy(load)
  const endpoint = fc.record({ inflight: fc.nat(3), latencyMs: fc.nat(5) }).map(({ inflight, latencyMs }) => {
    const made = new FakeCandidate(1)
    made.latencyMs = latencyMs
    for (let n = 0; n < inflight; n++) made.begin()
    return made
  })
  const weight = fc.constantFrom(0.5, 1, 2)
  fc.assert(
    fc.property(endpoint, endpoint, weight, weight, (first, second, ofFirst, ofSecond) => {
      const weights = Float32Array.of(9, ofSecond, ofFirst)
      expect(secondIsLess(first, 2, second, 1, weights, 0)).toBe(
        load(second, ofSecond, 0) < load(first, ofFirst, 0),
      )
    }),
    { numRuns: 1000 },
  )
})
