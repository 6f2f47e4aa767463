import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../testing/index.js'
import { byFailurePercentage, bySuccessRate, type Counted } from './rates.js'

const SUCCESS_RATE = { stdevFactor: 1.9, minimumHosts: 5, requestVolume: 100 }
const FAILURE_PERCENTAGE = { threshold: 85, minimumHosts: 5, requestVolume: 50 }

/** Of so many requests each, these many fail. */
function endpoints(volume: number, ...failures: readonly number[]): readonly Counted[] {
  return failures.map((failed) => ({ successes: volume - failed, failures: failed }))
}

function failuresOf(counted: readonly Counted[]): readonly number[] {
  return counted.map(({ failures }) => failures)
}

describe('by success rate', () => {
  test.each([
    ['one in three of one fails', endpoints(100, 0, 0, 33, 0, 0), [33]],
    ['a fifth of one fails', endpoints(100, 0, 20, 0, 0, 0), [20]],
    [
      'most of two of twelve fails, the worst first',
      endpoints(100, 60, 0, 0, 0, 0, 0, 70, 0, 0, 0, 0),
      [70, 60],
    ],
    ['a tenth of one fails, which a hundred requests do not prove', endpoints(100, 0, 0, 0, 10, 0), []],
    ['a tenth of one fails, which five hundred do', endpoints(500, 0, 0, 0, 50, 0), [50]],
    ['one has the one failure of all', endpoints(100, 0, 0, 0, 0, 0, 0, 0, 0, 1), []],
    ['all fail', endpoints(100, 100, 100, 100, 100, 100, 100), []],
    ['half of all fail', endpoints(100, 50, 53, 47, 45, 58, 50), []],
    ['none fails', endpoints(100, 0, 0, 0, 0, 0), []],
    ['there are four', endpoints(100, 0, 0, 0, 100), []],
    ['it has too few requests', [...endpoints(100, 0, 0, 0, 0, 0), ...endpoints(99, 99)], []],
    ['too few have enough', [...endpoints(100, 0, 0, 0, 80), ...endpoints(99, 0, 0)], []],
  ])('%s', (_, counted, expected) => {
    expect(failuresOf(bySuccessRate(counted, SUCCESS_RATE))).toEqual(expected)
  })

  test.each([0.001, 0.01, 0.1, 0.3, 0.5, 0.9])(
    'where all fail alike, %d of their requests, nearly none is ejected in an hour of 100 endpoints',
    (share) => {
      const random = seededRandom(7)
      let ejected = 0
      for (let interval = 0; interval < 360; interval++) {
        const counted = Array.from({ length: 100 }, () => {
          let failures = 0
          for (let n = 0; n < 100; n++) if (random.next() < share) failures++
          return { successes: 100 - failures, failures }
        })
        ejected += bySuccessRate(counted, SUCCESS_RATE).length
      }
      expect(ejected).toBeLessThanOrEqual(3)
    },
  )

  test('never all, nor one that is as good as the mean', () => {
    const some = fc.array(fc.record({ successes: fc.nat({ max: 500 }), failures: fc.nat({ max: 500 }) }), {
      maxLength: 30,
    })
    fc.assert(
      fc.property(some, (counted) => {
        const outliers = bySuccessRate(counted, SUCCESS_RATE)
        const judged = counted.filter(({ successes, failures }) => successes + failures >= 100)
        const rate = ({ successes, failures }: Counted): number => successes / (successes + failures)
        const mean = judged.reduce((sum, one) => sum + rate(one), 0) / judged.length
        for (const outlier of outliers) expect(rate(outlier)).toBeLessThan(mean)
        expect(new Set(outliers).size).toBe(outliers.length)
      }),
    )
  })
})

describe('by the share of failures', () => {
  test.each([
    ['from the threshold on', endpoints(100, 84, 85, 0, 0, 0), [85]],
    ['the worst first', endpoints(100, 90, 100, 0, 0, 0, 95), [100, 95, 90]],
    ['whatever the others do', endpoints(50, 50, 50, 50, 50, 50), [50, 50, 50, 50, 50]],
    ['not among four', endpoints(50, 50, 0, 0, 0), []],
    ['not of too few requests', [...endpoints(50, 0, 0, 0, 0, 0), ...endpoints(49, 49)], []],
  ])('%s', (_, counted, expected) => {
    expect(failuresOf(byFailurePercentage(counted, FAILURE_PERCENTAGE))).toEqual(expected)
  })
})
