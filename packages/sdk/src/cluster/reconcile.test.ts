import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Instance } from '../discovery/resolver.js'
import { placeOf } from '../discovery/place.js'
import { instanceAt } from '../testing/index.js'
import { reconcile } from './reconcile.js'

interface Live {
  instance: Instance
}

const instances = fc
  .array(fc.record({ port: fc.integer({ min: 1, max: 12 }), weight: fc.integer({ min: 0, max: 3 }) }), {
    maxLength: 12,
  })
  .map((list) => list.map(({ port, weight }) => instanceAt(`http://10.0.0.1:${port}`, { weight })))

/** Carries a plan out, as the cluster does. */
function apply(current: ReadonlyMap<string, Live>, set: readonly Instance[]): Map<string, Live> {
  const plan = reconcile(current, set)
  const next = new Map<string, Live>()
  for (const [place, instance] of plan.instances.entries()) {
    const live = plan.kept[place] ?? { instance }
    live.instance = instance
    next.set(placeOf(instance), live)
  }
  return next
}

test('the endpoints are those of the snapshot, and what stays is the same object', () => {
  fc.assert(
    fc.property(instances, instances, (before, after) => {
      const first = apply(new Map(), before)
      const second = apply(first, after)
      expect([...second.keys()].sort()).toEqual([...new Set(after.map(placeOf))].sort())
      for (const [key, endpoint] of second) if (first.has(key)) expect(endpoint).toBe(first.get(key))
    }),
  )
})

test('the same snapshot again changes nothing', () => {
  fc.assert(
    fc.property(instances, (set) => {
      const endpoints = apply(new Map(), set)
      const plan = reconcile(endpoints, set)
      expect(plan.changed).toBe(false)
      expect(plan.added).toEqual([])
      expect(plan.removed).toEqual([])
      expect(plan.kept).toEqual([...endpoints.values()])
    }),
  )
})

test('whatever a balancer may go by is a change', () => {
  const instance = instanceAt('http://10.0.0.1:1', { tags: ['a'], meta: { version: '1' } })
  const current = new Map([[placeOf(instance), { instance }]])
  const changes: Partial<Instance>[] = [
    { weight: 5 },
    { priority: 1 },
    { locality: { zone: 'eu-1' } },
    { tags: ['b'] },
    { tags: ['a', 'b'] },
    { meta: { version: '2' } },
    { meta: {} },
    { meta: { version: '1', more: '' } },
  ]
  for (const change of changes) {
    const plan = reconcile(current, [{ ...instance, ...change }])
    expect(plan).toMatchObject({ changed: true, kept: [{ instance }] })
  }
  // The same in other objects is the same.
  const copy = { ...instance, tags: ['a'], meta: { version: '1' }, locality: {} }
  expect(reconcile(current, [copy])).toMatchObject({
    changed: false,
    instances: [copy],
    kept: [{ instance }],
  })
})

test('the same key at another origin is another endpoint', () => {
  const instance = instanceAt('http://10.0.0.1:1')
  const current = new Map([[placeOf(instance), { instance }]])
  const moved = { ...instance, origin: 'https://10.0.0.1:1' }
  expect(reconcile(current, [moved])).toMatchObject({ added: [moved], removed: [{ instance }] })
})

test('a name that leads elsewhere is another endpoint; the order of its addresses is not', () => {
  const placed = (...addresses: string[]): Instance => instanceAt('http://orders.test:1', { addresses })
  const instance = placed('10.0.0.1', 'fd00::1')
  const current = new Map([[placeOf(instance), { instance }]])
  for (const moved of [
    placed('10.0.0.1'),
    placed('10.0.0.1', 'fd00::2'),
    placed('10.0.0.1', 'fd00::1', '10.0.0.2'),
    instanceAt('http://orders.test:1'),
  ]) {
    expect(reconcile(current, [moved])).toMatchObject({
      kept: [undefined],
      added: [moved],
      removed: [{ instance }],
    })
  }
  const turned = placed('fd00::1', '10.0.0.1')
  expect(reconcile(current, [turned])).toMatchObject({
    changed: false,
    instances: [turned],
    kept: [{ instance }],
  })
})

test('another order is a change, as a balancer may go by it', () => {
  const [a, b] = [instanceAt('http://10.0.0.1:1'), instanceAt('http://10.0.0.1:2')]
  const current = apply(new Map(), [a, b])
  expect(reconcile(current, [b, a])).toMatchObject({ changed: true, added: [], removed: [] })
  expect(reconcile(current, [a, b, a]).changed).toBe(false)
})

test('of two instances with one key the first counts', () => {
  const instance = instanceAt('http://10.0.0.1:1')
  expect(reconcile(new Map(), [instance, { ...instance, weight: 9 }]).added).toEqual([instance])
})

test('they are in place when they are the same ones in the same order, and not otherwise', () => {
  fc.assert(
    fc.property(instances, instances, (before, after) => {
      const current = apply(new Map(), before)
      const next = apply(current, after)
      const same = [...next.values()].every((endpoint, index) => endpoint === [...current.values()][index])
      const expected = after.length === current.size && same && next.size === current.size
      expect(reconcile(current, after).inPlace).toBe(expected)
    }),
  )
  const [a, b] = [instanceAt('http://10.0.0.1:1'), instanceAt('http://10.0.0.1:2')]
  const current = apply(new Map(), [a, b])
  expect(reconcile(current, [b, a]).inPlace).toBe(false)
  // The same key at another place is another endpoint.
  expect(reconcile(current, [{ ...a, origin: 'http://10.0.0.9:1' }, b]).inPlace).toBe(false)
})

test('another process at the place of one that stays in order is another endpoint', () => {
  const [a, b] = [instanceAt('http://10.0.0.1:1'), instanceAt('http://10.0.0.1:2')]
  const current = apply(new Map(), [a, b])
  const [first, second] = [...current.values()]
  const next = { ...b, key: 'another registration' }
  const plan = { added: [next], removed: [second], changed: true, inPlace: false }
  expect(reconcile(current, [a, next])).toEqual({ instances: [a, next], kept: [first, undefined], ...plan })
  // As it is where an address is listed twice.
  expect(reconcile(current, [a, next, a])).toEqual({
    instances: [a, next],
    kept: [first, undefined],
    ...plan,
  })
})

test('a change of an instance that is listed twice is a change', () => {
  const [a, b] = [instanceAt('http://10.0.0.1:1'), instanceAt('http://10.0.0.1:2')]
  const current = apply(new Map(), [a, b])
  const heavier = { ...a, weight: 9 }
  expect(reconcile(current, [heavier, b, heavier])).toMatchObject({
    instances: [heavier, b],
    kept: [...current.values()],
    changed: true,
  })
})
