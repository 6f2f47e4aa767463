import { expect, test } from 'vitest'
import { goDurationMs } from './go-duration.js'

test.each<[unknown, number | undefined]>([
  ['5s', 5000],
  ['1m30s', 90_000],
  ['1h2m3.5s', 3_723_500],
  ['300ms', 300],
  ['1500µs', 1.5],
  ['1500μs', 1.5],
  ['1500us', 1.5],
  ['2000000ns', 2],
  ['.5s', 500],
  ['1.s', 1000],
  [2_500_000_000, 2500],
  ['0s', undefined],
  [0, undefined],
  [-1, undefined],
  ['-5s', undefined],
  ['5', undefined],
  ['', undefined],
  ['s', undefined],
  ['.s', undefined],
  ['5s 3ms', undefined],
  ['five', undefined],
  [undefined, undefined],
  [{}, undefined],
])('%j is %s ms', (value, ms) => {
  const read = goDurationMs(value)
  if (ms === undefined) expect(read).toBeUndefined()
  else expect(read).toBeCloseTo(ms, 9)
})
