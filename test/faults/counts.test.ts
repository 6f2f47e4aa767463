import { expect, test } from 'vitest'
import { Counter, countIn, sumOf } from './counts.js'

test('counts by spans of 100 ms, and adds up those of several', () => {
  const first = new Counter()
  const second = new Counter()
  for (const time of [1000, 1099.9, 1100, 1350]) first.count(time)
  for (const time of [1050, 1800]) second.count(time)
  expect(first.counts).toEqual({ 1000: 2, 1100: 1, 1300: 1 })
  const sum = sumOf([first.counts, second.counts])
  expect(sum).toEqual({ 1000: 3, 1100: 1, 1300: 1, 1800: 1 })
  expect(countIn(sum, 1000, 1300)).toBe(4)
  expect(countIn(sum, 1100, 1301)).toBe(2)
})
