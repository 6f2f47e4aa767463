import { expect, test } from 'vitest'
import { instanceAt } from '../testing/index.js'
import { RemovalGovernor } from './removal-governor.js'
import { samePlaces } from './same-places.js'

const [a, b, c] = ['http://10.0.0.1:1', 'http://10.0.0.1:2', 'http://10.0.0.1:3'].map((origin) =>
  instanceAt(origin),
) as [ReturnType<typeof instanceAt>, ReturnType<typeof instanceAt>, ReturnType<typeof instanceAt>]
const known = new Map([a, b].map((instance) => [instance.origin, instance]))

test('the same places in the same order, whatever else is said of them', () => {
  expect(samePlaces(known, [{ ...a, weight: 7 }, b])).toBe(true)
  expect(samePlaces(new Map(), [])).toBe(true)
})

test.each([
  ['order', [b, a]],
  ['length', [a]],
  ['length, the other way', [a, b, c]],
  ['member', [a, c]],
  ['one twice', [a, a]],
])('another %s', (_, instances) => {
  expect(samePlaces(known, instances)).toBe(false)
})

test('what is retained is what was said of it last, also by a set with the same places', () => {
  const governor = new RemovalGovernor({ share: 0.5, windowMs: 1000, retainMs: 1000, maxRetainMs: 1000 })
  const said = (instances: readonly (typeof a)[], suspect?: string): unknown =>
    governor.govern({ kind: 'snapshot', instances, excluded: [], suspect }, 0)
  said([a, b])
  said([a, { ...b, weight: 7 }])
  said([a], 'no leader')
  expect(governor.retained.map(({ instance }) => instance)).toEqual([{ ...b, weight: 7 }])
  said([a, b])
  expect(governor.retained).toEqual([])
})
