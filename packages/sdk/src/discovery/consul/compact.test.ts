import { expect, test } from 'vitest'
import { healthEntry } from '../../testing/index.js'
import { flattened, Interner } from './compact.js'
import { healthOf, healthReader } from './health.js'

test('equal data is one frozen object, and nothing else is', () => {
  const interner = new Interner()
  const first = interner.intern(['a', 'b'])
  expect(interner.intern(['a', 'b'])).toBe(first)
  expect(Object.isFrozen(first)).toBe(true)
  for (const other of [['a,b'], ['a', 'b', ''], ['b', 'a'], ['a"', '"b'], { 0: 'a', 1: 'b' }, []]) {
    expect(interner.intern(other)).toEqual(other)
    expect(interner.intern(other)).not.toBe(first)
  }
})

test('instances of one answer have their tags, meta and place in common', () => {
  const read = {
    priority: 0,
    scheme: undefined,
    address: { network: 'lan', ipFamily: undefined },
    onlyPassing: false,
    keyPrefix: '',
  } as const
  const reader = healthReader(read, false)
  const of = (zone: string): object => ({ Tags: ['v2', 'http'], Meta: { zone } })
  const entries = [1, 2, 3].map((port) => healthEntry(port, { service: of(port === 3 ? 'b' : 'a') }))
  const decoded = entries.map((entry) => reader.read(entry))
  const [a, b, c] = healthOf(decoded, 'by key').instances
  expect(b?.tags).toBe(a?.tags)
  expect(b?.meta).toBe(a?.meta)
  expect(b?.locality).toBe(a?.locality)
  expect(c?.tags).toBe(a?.tags)
  expect(c).toMatchObject({ meta: { zone: 'b' }, locality: { zone: 'b' } })
})

test('a string is put together in one piece', () => {
  expect(flattened('http', '://', 'é', ':', '80')).toBe('http://é:80')
})
