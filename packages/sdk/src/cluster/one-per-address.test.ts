import fc from 'fast-check'
import { expect, test } from 'vitest'
import { placeOf } from '../discovery/place.js'
import type { Instance } from '../discovery/resolver.js'
import { instanceAt } from '../testing/index.js'
import { countExcluded } from './excluded-counts.js'
import { OnePerAddress } from './one-per-address.js'
import { reconcile } from './reconcile.js'
import { RemovalGovernor } from './removal-governor.js'

const at = (port: number, id: string, more: Partial<Instance> = {}): Instance =>
  instanceAt(`http://10.0.0.1:${port}`, { key: `node/${id}@10.0.0.1:${port}`, ...more })

const registrations = fc.array(
  fc
    .record({
      port: fc.integer({ min: 1, max: 6 }),
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      weight: fc.integer({ min: 0, max: 5 }),
      priority: fc.integer({ min: 0, max: 2 }),
      zone: fc.constantFrom('x', 'y'),
    })
    .map(({ port, id, weight, priority, zone }) => at(port, id, { weight, priority, locality: { zone } })),
  { maxLength: 20 },
)

/** The same, written down as the rules are told. */
function expected(listed: readonly Instance[]): readonly object[] {
  const distinct = listed.filter(({ key }, index) => listed.findIndex((other) => other.key === key) === index)
  const origins = [...new Set(distinct.map(({ origin }) => origin))]
  return origins.map((origin) => {
    const all = distinct.filter((each) => each.origin === origin)
    const best = Math.min(...all.map(({ priority }) => priority))
    const level = all.filter(({ priority }) => priority === best)
    const keys = all.map(({ key }) => key).sort()
    const speaker = level.find(({ key }) => key === level.map((each) => each.key).sort()[0])
    const weight = Math.max(...level.map((each) => each.weight))
    return { ...speaker, weight, ...(keys.length > 1 ? { registrations: keys } : {}) }
  })
}

test('an address is one instance, whatever was listed before, and what does not change is the same object', () => {
  fc.assert(
    fc.property(fc.array(registrations, { maxLength: 5 }), (sets) => {
      const addresses = new OnePerAddress()
      for (const listed of sets) {
        const once = addresses.of(listed)
        expect(once).toEqual(expected(listed))
        const again = addresses.of([...listed])
        expect(again.every((instance, index) => instance === once[index])).toBe(true)
      }
    }),
  )
})

test('in whatever order its ids are listed it is the same instance', () => {
  fc.assert(
    fc.property(registrations, fc.nat(), (listed, seed) => {
      const distinct = [...new Map(listed.map((each) => [each.key, each])).values()]
      const turned = [...distinct.slice(seed % (distinct.length || 1)), ...distinct].slice(0, distinct.length)
      const byOrigin = (instances: readonly Instance[]): unknown =>
        new Map(instances.map((each) => [each.origin, each] as const).sort(([a], [b]) => (a < b ? -1 : 1)))
      if (new Set(turned).size === distinct.length)
        expect(byOrigin(new OnePerAddress().of(turned))).toEqual(byOrigin(new OnePerAddress().of(distinct)))
    }),
  )
})

test('a set without doubles is handed on as it is', () => {
  const addresses = new OnePerAddress()
  for (const listed of [[at(1, 'a'), at(2, 'a')], [at(1, 'a', { weight: 3 }), at(2, 'b')], []]) {
    expect(addresses.of(listed)).toBe(listed)
  }
})

test('http and https at one address, and a name and an address that it leads to, are one', () => {
  const secure = instanceAt('https://10.0.0.1:1', { key: 'node/z@10.0.0.1:1' })
  expect(new OnePerAddress().of([secure, at(1, 'a')])).toMatchObject([{ origin: 'http://10.0.0.1:1' }])
  const named = instanceAt('http://web.test:1', { key: 'node/web@web.test:1', addresses: ['10.0.0.1'] })
  expect(new OnePerAddress().of([named, at(1, 'a')])).toHaveLength(1)
  // As many machines as the name has addresses.
  const machines = ['10.0.0.1', '10.0.0.2'].map((ip) => ({
    ...named,
    key: `${named.key}/${ip}`,
    addresses: [ip],
  }))
  expect(new OnePerAddress().of(machines)).toBe(machines)
  const dual = { ...named, addresses: ['10.0.0.9', 'fd00::9'] }
  const turned = { ...dual, key: 'node/other@web.test:1', addresses: ['fd00::9', '10.0.0.9'] }
  expect(new OnePerAddress().of([dual, turned])).toHaveLength(1)
})

test('the endpoint stays as long as one of its registrations does, whichever goes', () => {
  const set = (...ids: string[]): Instance => {
    const [one] = new OnePerAddress().of(ids.map((id) => at(1, id)))
    return one as Instance
  }
  const keeps = (before: Instance, after: Instance): boolean =>
    reconcile(new Map([[placeOf(before), { instance: before }]]), [after]).kept[0] !== undefined
  expect(keeps(set('a', 'b', 'c'), set('b', 'c'))).toBe(true)
  expect(keeps(set('a', 'b'), set('b'))).toBe(true)
  expect(keeps(set('b'), set('a', 'b'))).toBe(true)
  expect(keeps(set('a'), set('a', 'b', 'c'))).toBe(true)
  // Another process at the same address: its circuit and its slow start are its own.
  expect(keeps(set('a', 'b'), set('c'))).toBe(false)
  expect(keeps(set('a'), set('b'))).toBe(false)
})

test('what is critical under one id and passing under another is used, and counts for nothing else', () => {
  const used = new Set(['http://10.0.0.1:1', 'https://[fd00::1]:2'])
  const excluded = (key: string, priority = 0, kind: 'unhealthy' | 'unusable' = 'unhealthy') => ({
    key,
    reason: 'critical',
    kind,
    priority,
  })
  const counts = countExcluded(
    [
      excluded('node/a@10.0.0.1:1'),
      excluded('node/b@10.0.0.1:1'),
      excluded('node/c@fd00::1:2'),
      excluded('node/d@10.0.0.2:1'),
      excluded('node/e@10.0.0.2:1', 1),
      excluded('node/f@web.test:1', 1),
      excluded('node/g@10.0.0.3:undefined', 0, 'unusable'),
    ],
    (origin) => used.has(origin),
  )
  expect(counts).toEqual(
    new Map([
      [0, 1],
      [1, 1],
    ]),
  )
})

test('an id that goes is no removal while its address is listed; one that is taken out is, when all are', () => {
  const governor = (): RemovalGovernor =>
    new RemovalGovernor({ share: 0, windowMs: 1000, retainMs: 1000, maxRetainMs: 1000 })
  const addresses = new OnePerAddress()
  const say = (to: RemovalGovernor, listed: readonly Instance[], taken: readonly Instance[] = []): number => {
    to.govern(
      {
        kind: 'snapshot',
        instances: addresses.of(listed),
        excluded: taken.map(({ key, priority }) => ({
          key,
          reason: 'maintenance',
          kind: 'deliberate',
          priority,
        })),
        suspect: 'no leader',
      },
      0,
    )
    return to.retained.length
  }
  const [a, b, c] = [at(1, 'a'), at(1, 'b'), at(1, 'c')]
  const first = governor()
  expect(say(first, [a, b, c])).toBe(0)
  expect(say(first, [b, c])).toBe(0)
  // The same address under yet another id, and with TLS.
  expect(say(first, [{ ...at(1, 'd'), origin: 'https://10.0.0.1:1' }])).toBe(0)
  expect(say(first, [])).toBe(1)
  const second = governor()
  say(second, [a, b])
  expect(say(second, [], [a])).toBe(1)
  expect(say(second, [], [a, b])).toBe(0)
})

test('a registration that comes, goes or is another one makes another instance of its address', () => {
  const addresses = new OnePerAddress()
  const [a, b, c] = [at(1, 'a', { weight: 1 }), at(1, 'b', { weight: 2 }), at(1, 'c', { weight: 3 })]
  const weights = [
    [a, b],
    [a, b, c],
    [a, b],
    [a, c],
  ].map((set) => addresses.of(set).map(({ weight }) => weight))
  expect(weights).toEqual([[2], [3], [2], [3]])
})

test('addresses that become one in a set of the same length are seen', () => {
  const addresses = new OnePerAddress()
  expect(addresses.of([at(1, 'a'), at(2, 'b')])).toHaveLength(2)
  expect(addresses.of([at(1, 'a'), at(1, 'b')])).toHaveLength(1)
  expect(addresses.of([at(1, 'a'), at(2, 'b')])).toHaveLength(2)
})
