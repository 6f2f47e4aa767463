import { expect, test } from 'vitest'
import { mostEjected } from './share.js'

test.each([
  [0, 50, 0],
  [1, 50, 0],
  [2, 50, 1],
  [3, 50, 1],
  [4, 50, 2],
  [5, 50, 2],
  [10, 50, 5],
  // One in any case, as Envoy's always_eject_one_host.
  [4, 10, 1],
  [25, 10, 2],
  // One is always kept.
  [1, 100, 0],
  [2, 100, 1],
  [10, 100, 9],
])('of %i, at %i%%: %i', (endpoints, percent, most) => {
  expect(mostEjected(endpoints, percent)).toBe(most)
})
