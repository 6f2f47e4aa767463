import { expect, test } from 'vitest'
import { retryAfterMs } from './retry-after.js'

const NOW = Date.UTC(2026, 10, 29, 12, 0, 0)

test.each([
  [['Retry-After', '3'], 3000],
  [['x', 'y', 'RETRY-AFTER', ' 120 '], 120_000],
  [['retry-after', 'Sun, 29 Nov 2026 12:00:05 GMT'], 5000],
  [['retry-after', 'Sun, 29 Nov 2026 11:59:00 GMT'], 0],
  [['retry-after', '0'], 0],
  [['retry-after', '-3'], 0],
  [['retry-after', '1.5'], 0],
  [['retry-after', '2027'], 2_027_000],
  [['retry-after', 'soon'], 0],
  [['retry-after', 'Sun, once GMT'], 0],
  [['retry-after', ''], 0],
  [['retry-afterx', '3'], 0],
  [[], 0],
])('%j is %i ms', (headers, ms) => {
  expect(
    retryAfterMs(
      headers.map((each) => Buffer.from(each)),
      () => NOW,
    ),
  ).toBe(ms)
})
