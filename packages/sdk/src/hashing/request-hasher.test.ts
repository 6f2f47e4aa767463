import { describe, expect, test } from 'vitest'
import type { HashPolicy } from '../discovery/server-policy.js'
import type { RequestFields } from './request-fields.js'
import { RequestHasher, type KeyedRequest } from './request-hasher.js'
import { Xxh64 } from './xxh64.js'

type Request = Partial<KeyedRequest>
type Headers = NonNullable<RequestFields['headers']> | null

function hashOf(policies: readonly HashPolicy[], request: Request): bigint | undefined {
  const target = { high: 0, low: 0 }
  const keyed = new RequestHasher(policies).hash({ path: '/', method: 'GET', ...request }, target)
  return keyed ? valueOf(target) : undefined
}

function valueOf({ high, low }: { readonly high: number; readonly low: number }): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
}

function xxh64(...texts: readonly string[]): bigint {
  const hash = new Xxh64()
  let seed = { high: 0, low: 0 }
  for (const text of texts) {
    hash.hash(text, seed.high, seed.low)
    seed = { high: hash.high, low: hash.low }
  }
  return valueOf(seed)
}

const rotated = (value: bigint): bigint => BigInt.asUintN(64, (value << 1n) | (value >> 63n))
const by = (field: HashPolicy['field'], name = '', terminal = false): HashPolicy => ({
  field,
  name,
  terminal,
})

describe('a header', () => {
  const policies = [by('header', 'X-User')]

  test.each<[string, Headers]>([
    ['an object', { 'x-user': 'ann', accept: '*/*' }],
    ['an object in any case', { accept: '*/*', 'X-USER': 'ann' }],
    [
      'an object without a prototype',
      Object.assign(Object.create(null), { 'x-user': 'ann' }) as Record<string, string>,
    ],
    ['a list', ['accept', '*/*', 'X-User', 'ann']],
    ['pairs', new Map([['x-USER', 'ann']])],
    ['a Headers', new globalThis.Headers({ 'X-User': 'ann' })],
    ['an array of one value', { 'x-user': ['ann'] }],
  ])('is found in %s', (_, headers) => {
    expect(hashOf(policies, { headers })).toBe(xxh64('ann'))
  })

  test.each<[string, Headers | undefined]>([
    ['there are no headers', undefined],
    ['headers are null', null],
    ['it is undefined', { 'x-user': undefined }],
    ['it has no value', { 'x-user': [] }],
    ['only a longer name is there', { 'x-user-id': 'ann', 'ax-user': 'ann' }],
    ['it is a value', ['accept', 'x-user', 'x-y', 'ann']],
    ['undici will refuse it', { 'x-user': { name: 'ann' } as unknown as string }],
    ['undici will refuse the list', ['accept', '*/*', 'x-user']],
  ])('is not found where %s', (_, headers) => {
    expect(hashOf(policies, headers === undefined ? {} : { headers })).toBeUndefined()
  })

  test('that an object only inherits is not found', () => {
    expect(hashOf([by('header', 'constructor')], { headers: {} })).toBeUndefined()
  })

  test('counts as text when it is a number, and when it is empty', () => {
    expect(hashOf(policies, { headers: { 'x-user': 7 as unknown as string } })).toBe(xxh64('7'))
    expect(hashOf(policies, { headers: { 'x-user': '' } })).toBe(xxh64(''))
    expect(hashOf(policies, { headers: { 'x-user': null as unknown as string } })).toBe(xxh64(''))
  })

  test.each<[string, Headers]>([
    ['an array', { 'x-user': ['zoe', 'ann', 'bob'] }],
    ['a list', ['x-user', 'bob', 'X-User', 'zoe', 'x-user', 'ann']],
    ['both', ['x-user', ['bob', 'zoe'], 'x-user', 'ann'] as unknown as string[]],
    ['an object', { 'X-User': 'bob', 'X-USER': ['ann', 'zoe'] }],
  ])('of several values counts in any order: %s', (_, headers) => {
    expect(hashOf(policies, { headers })).toBe(xxh64('ann', 'bob', 'zoe'))
  })

  test('may be the path with its query, or the method', () => {
    expect(hashOf([by('header', ':path')], { path: '/a?b=1' })).toBe(xxh64('/a?b=1'))
    expect(hashOf([by('header', ':path')], { path: '/a', query: { b: 1, c: ['x y', 2] } })).toBe(
      xxh64('/a?b=1&c=x%20y&c=2'),
    )
    expect(hashOf([by('header', ':path')], { path: '/a', query: {} })).toBe(xxh64('/a'))
    expect(hashOf([by('header', ':method')], { method: 'PUT' })).toBe(xxh64('PUT'))
    expect(hashOf([by('header', ':authority')], {})).toBeUndefined()
  })
})

describe('a cookie', () => {
  const policies = [by('cookie', 'sid')]

  test.each([
    ['sid=abc', 'abc'],
    ['a=1; sid=abc; b=2', 'abc'],
    ['a=1;sid=abc ;b=2', 'abc'],
    ['xsid=1; sidx=2;   sid="a b"', 'a b'],
    ['a; sid=x=y', 'x=y'],
    ['sid=first; sid=second', 'first'],
    ['sid="', '"'],
  ])('is found in %j', (cookie, value) => {
    expect(hashOf(policies, { headers: { cookie } })).toBe(xxh64(value))
  })

  test.each(['', 'sid', 'sid=', 'sid=""', 'a=sid=1', 'SID=abc', 'xsid=1', ';;', 'a=1; sid'])(
    'is not found in %j',
    (cookie) => {
      expect(hashOf(policies, { headers: { cookie } })).toBeUndefined()
    },
  )

  test('is found in any of several headers', () => {
    expect(hashOf(policies, { headers: { Cookie: ['a=1', 'sid=abc'] } })).toBe(xxh64('abc'))
    expect(hashOf(policies, { headers: ['cookie', 'a=1', 'cookie', 'sid=abc'] })).toBe(xxh64('abc'))
    expect(hashOf(policies, { headers: { cookie: ['a=1', 'b=2'] } })).toBeUndefined()
  })
})

describe('a query parameter', () => {
  const policies = [by('query_parameter', 'user')]

  test.each([
    ['/?user=ann', 'ann'],
    ['/a?b=1&user=ann&c=2', 'ann'],
    ['/?xuser=1&userx=2&user=a%20b', 'a%20b'],
    ['/?user=first&user=second', 'first'],
    ['/?user=a=b', 'a=b'],
    ['/?user=', ''],
    ['/?user', ''],
    ['/?user&b=1', ''],
  ])('is found in %j', (path, value) => {
    expect(hashOf(policies, { path })).toBe(xxh64(value))
  })

  test.each(['/', '/user=ann', '/?', '/?xuser=1', '/?userx=1', '/?User=1', '/?a=user=1', '/&user=1'])(
    'is not found in %j',
    (path) => {
      expect(hashOf(policies, { path })).toBeUndefined()
    },
  )

  test("is found in undici's query", () => {
    expect(hashOf(policies, { path: '/', query: { user: 'a b' } })).toBe(xxh64('a%20b'))
  })
})

describe('a path without its query', () => {
  const policies = [by('pathname')]

  test.each([
    ['/a/b', '/a/b'],
    ['/a/b?', '/a/b'],
    ['/a/b?c=1?d', '/a/b'],
    ['/?/a', '/'],
    ['*', '*'],
  ])('%j', (path, pathname) => {
    expect(hashOf(policies, { path })).toBe(xxh64(pathname))
  })

  test("leaves undici's query out", () => {
    expect(hashOf(policies, { path: '/a', query: { b: 1 } })).toBe(xxh64('/a'))
  })
})

test("an address is the caller's", () => {
  const policies = [by('source_ip')]
  expect(hashOf(policies, { caller: { address: '10.0.0.7' } })).toBe(xxh64('10.0.0.7'))
  const several = [by('source_ip'), by('header', 'a')]
  const request = { caller: { address: '10.0.0.7' }, headers: { a: 'x' } }
  expect(hashOf(several, request)).toBe(rotated(xxh64('10.0.0.7')) ^ xxh64('x'))
})

test.each([undefined, '', 7 as unknown as string, null as unknown as string])(
  'an address of %j counts as absent',
  (address) => {
    expect(hashOf([by('source_ip')], { caller: { address } })).toBeUndefined()
  },
)

test('an address is not found without a caller: a client has no other than its own', () => {
  expect(hashOf([by('source_ip')], {})).toBeUndefined()
  expect(hashOf([by('source_ip'), by('header', 'a')], { headers: { a: 'x' } })).toBe(xxh64('x'))
})

describe('several parts', () => {
  const a = by('header', 'a')
  const b = by('header', 'b')
  const headers = { a: 'x', b: 'y' }

  test('are combined in order, each turning what there is by one bit', () => {
    expect(hashOf([a, b], { headers })).toBe(rotated(xxh64('x')) ^ xxh64('y'))
    expect(hashOf([b, a], { headers })).toBe(rotated(xxh64('y')) ^ xxh64('x'))
  })

  test('that are equal do not cancel each other out', () => {
    expect(hashOf([a, a], { headers })).toBe(rotated(xxh64('x')) ^ xxh64('x'))
  })

  test('count if they are there', () => {
    expect(hashOf([a, b], { headers: { b: 'y' } })).toBe(xxh64('y'))
    expect(hashOf([a, b], { headers: {} })).toBeUndefined()
    expect(hashOf([], { headers })).toBeUndefined()
  })

  test('end with a terminal one, once there is a hash', () => {
    const last = { ...a, terminal: true }
    expect(hashOf([last, b], { headers })).toBe(xxh64('x'))
    expect(hashOf([last, b], { headers: { b: 'y' } })).toBe(xxh64('y'))
    // As Envoy: a terminal part that is not found ends it as well, if an earlier one was found.
    expect(hashOf([b, last, b], { headers: { b: 'y' } })).toBe(xxh64('y'))
  })
})

test('a key of the request goes before all; an empty one counts as absent', () => {
  const policies = [by('header', 'a'), by('source_ip')]
  expect(hashOf(policies, { hashKey: 'own', headers: { a: 'x' } })).toBe(xxh64('own'))
  expect(hashOf([], { hashKey: 'own' })).toBe(xxh64('own'))
  expect(hashOf(policies, { hashKey: '', headers: { a: 'x' } })).toBe(xxh64('x'))
  expect(hashOf([], { hashKey: '' })).toBeUndefined()
})
