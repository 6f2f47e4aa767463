import { expect, test } from 'vitest'
import { FairleadError } from '../errors.js'
import { instanceAt, ManualClock } from '../testing/index.js'
import { Watching } from '../test-support/watching.test.support.js'
import { fixedResolver } from './fixed-resolver.js'
import type { Instance } from './resolver.js'

async function instancesOf(...entries: Parameters<typeof fixedResolver>[0]): Promise<readonly Instance[]> {
  const clock = new ManualClock()
  await using watch = new Watching(fixedResolver(entries), 'any', clock)
  return (await watch.snapshot()).instances
}

test('takes origins, objects and whole instances', async () => {
  const whole = instanceAt('http://10.0.0.3:80', { weight: 0.5, addresses: ['10.0.0.3'] })
  const instances = await instancesOf(
    'https://10.0.0.1',
    {
      address: '::1',
      port: 8080,
      weight: 3,
      priority: 1,
      zone: 'a',
      tags: ['v2'],
      meta: { x: '1' },
      id: 'two',
    },
    whole,
  )
  const plain = { weight: 1, priority: 0, tags: [], meta: {}, locality: {} }
  expect(instances).toEqual([
    { ...plain, key: 'fixed/10.0.0.1:443@10.0.0.1:443', origin: 'https://10.0.0.1:443' },
    {
      key: 'fixed/two@[::1]:8080',
      origin: 'http://[::1]:8080',
      weight: 3,
      priority: 1,
      tags: ['v2'],
      meta: { x: '1' },
      locality: { zone: 'a' },
    },
    whole,
  ])
  expect(instances.every(Object.isFrozen)).toBe(true)
})

test.each([
  ['http://10.0.0.1:80', 'http://10.0.0.1:80'],
  ['http://Orders.Internal:8080/', 'http://orders.internal:8080'],
  ['http://[FD00::1]:80', 'http://[fd00::1]:80'],
  ['https://orders', 'https://orders:443'],
])('the origin %s is %s', async (given, origin) => {
  expect((await instancesOf(given))[0]?.origin).toBe(origin)
})

test.each([
  '',
  '10.0.0.1:80',
  'orders',
  'ftp://10.0.0.1:80',
  'http://',
  'http://a:80/path',
  'http://a:80?x',
  'http://a:80#x',
  'http://user@a:80',
  'http://a b:80',
  'http://a:0',
  'http://a:65536',
  'http:a:80',
])('the origin %j is refused', (origin) => {
  const make = (): unknown => fixedResolver(['http://ok:80', origin])
  expect(make).toThrow(FairleadError)
  expect(make).toThrow(
    `instances[1] is '${origin}': it must be http://host:port or https://host:port, without a path`,
  )
})

test.each<[unknown, string]>([
  [undefined, 'instances is undefined: it must be a list of origins or instances'],
  [
    [80],
    'instances[0] is 80: it must be an origin such as "http://10.0.0.1:8080", or an object with address and port',
  ],
  [[{ address: 'a' }], 'instances[0].port is missing'],
  [[{ address: 'a/b', port: 1 }], "instances[0].address is 'a/b': it must be a host name or an IP address"],
  [
    [{ address: 'a', port: 1, weight: -1 }],
    'instances[0].weight is -1: it must be a whole number from 0 to 65535',
  ],
  [[{ address: 'a', port: 1, scheme: 'ftp' }], "instances[0].scheme is 'ftp': it must be http or https"],
  [
    [{ address: 'a', prot: 1, port: 1 }],
    'unknown option instances[0].prot: remove it or check its spelling (did you mean port?)',
  ],
  [
    [{ ...instanceAt('http://a:1'), origin: 'a:1' }],
    "instances[0].origin is 'a:1': it must be http://host:port",
  ],
  [
    [instanceAt('http://a:1', { weight: NaN })],
    'instances[0].weight is NaN: it must be a number from 0 to 65535',
  ],
  [[instanceAt('http://a:1', { key: '' })], "instances[0].key is ''"],
  [
    [instanceAt('http://a:1', { addresses: ['a'] })],
    "instances[0].addresses[0] is 'a': it must be an IP address",
  ],
  [
    ['http://a:80', 'http://a'],
    'instances[1] is instances[0] again (http://a:80): remove it; for a larger share give the other more weight',
  ],
])('%j: %s', (instances, message) => {
  const make = (): unknown => fixedResolver(instances as never)
  expect(make).toThrow(FairleadError)
  expect(make).toThrow(message)
})
