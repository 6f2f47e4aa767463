import { validateOptions, type HashPolicyOption } from '@fairlead/sdk'
import { InvalidArgumentError } from 'commander'
import { describe, expect, test } from 'vitest'
import { collectHashOn } from './hash-on.js'

test.each<[string, HashPolicyOption]>([
  ['header:X-User', { header: 'X-User' }],
  ['header::path', { header: ':path' }],
  ['header::method', { header: ':method' }],
  ['cookie:sid', { cookie: 'sid' }],
  ['cookie:__Host-sid', { cookie: '__Host-sid' }],
  ['query:user', { queryParameter: 'user' }],
  // As it stands in a path.
  ['query:a:b%20c[]', { queryParameter: 'a:b%20c[]' }],
  ['path', { pathname: true }],
  ['source_ip', { sourceIp: true }],
  ['  path ', { pathname: true }],
])('%j is %j, which the SDK takes', (value, part) => {
  expect(collectHashOn(value, [])).toEqual([part])
  expect(() => validateOptions({ hashOn: [part] })).not.toThrow()
})

test('parts are added in their order, also the same one twice', () => {
  const before = [{ header: 'a' }]
  expect(collectHashOn('path,cookie:b , path', before)).toEqual([
    { header: 'a' },
    { pathname: true },
    { cookie: 'b' },
    { pathname: true },
  ])
  expect(before).toEqual([{ header: 'a' }])
})

describe('anything else is rejected, and named', () => {
  test.each([
    ['', ''],
    ['x-user', 'x-user'],
    ['header', 'header'],
    ['header:', 'header:'],
    ['header: a', 'header: a'],
    ['header:a b', 'header:a b'],
    ['header::authority', 'header::authority'],
    ['header:a:b', 'header:a:b'],
    ['Header:a', 'Header:a'],
    ['cookie:', 'cookie:'],
    ['cookie::path', 'cookie::path'],
    ['cookie:a=b', 'cookie:a=b'],
    ['query:', 'query:'],
    ['query:a b', 'query:a b'],
    ['query:a=b', 'query:a=b'],
    ['query:a&b', 'query:a&b'],
    ['path:', 'path:'],
    ['path:/a', 'path:/a'],
    ['source_ip:1', 'source_ip:1'],
    ['sourceIp', 'sourceIp'],
    ['path,,path', ''],
    ['path,', ''],
    ['path, PATH', 'PATH'],
  ])('%j', (value, part) => {
    expect(() => collectHashOn(value, [])).toThrow(InvalidArgumentError)
    expect(() => collectHashOn(value, [])).toThrow(
      `It must be header:NAME, cookie:NAME, query:NAME, path or source_ip, not ${JSON.stringify(part)}.`,
    )
  })
})
