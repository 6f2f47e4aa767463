import { describe, expect, test } from 'vitest'
import { healthEntry } from '../../testing/index.js'
import { healthOf, healthReader, sameHealth, type HealthSnapshot, type ReadOptions } from './health.js'

function decodeHealth(
  entries: readonly unknown[],
  options: Partial<ReadOptions> = {},
  translated = false,
): HealthSnapshot {
  const read: ReadOptions = {
    priority: 0,
    scheme: undefined,
    address: { network: 'lan', ipFamily: undefined },
    onlyPassing: false,
    keyPrefix: '',
    ...options,
  }
  const reader = healthReader(read, translated)
  return healthOf(
    entries.map((entry) => reader.read(entry)),
    'by key',
  )
}

const check = (CheckID: string, Status: string, ServiceID = ''): object => ({ CheckID, Status, ServiceID })

test('reads an instance', () => {
  const entry = healthEntry(8080, {
    service: { Address: '10.1.1.1', Tags: ['v2'], Meta: { zone: 'a' }, Weights: { Passing: 5, Warning: 2 } },
  })
  expect(decodeHealth([entry])).toEqual({
    instances: [
      {
        key: 'node-1/orders-8080@10.1.1.1:8080',
        origin: 'http://10.1.1.1:8080',
        weight: 5,
        priority: 0,
        tags: ['v2'],
        meta: { zone: 'a' },
        locality: { datacenter: 'dc1', zone: 'a' },
      },
    ],
    excluded: [],
  })
})

describe('the address', () => {
  test.each([
    ['of the service', { Address: '10.1.1.1' }, 'http://10.1.1.1:80'],
    ['of the node where the service has none', { Address: '' }, 'http://10.0.0.1:80'],
    ['IPv6 in brackets', { Address: 'fd00::1' }, 'http://[fd00::1]:80'],
    ['a host name', { Address: 'orders-1.internal' }, 'http://orders-1.internal:80'],
  ])('%s', (_, service, origin) => {
    expect(decodeHealth([healthEntry(80, { service })]).instances[0]?.origin).toBe(origin)
  })

  test.each([
    [{ Port: 0 }, 'has port 0; register it with a port from 1 to 65535'],
    [{ Port: undefined }, 'has port 0; register it with a port from 1 to 65535'],
    [{ Port: null }, 'has port 0; register it with a port from 1 to 65535'],
    [{ Port: '80' }, 'has port "80"; register it with a port from 1 to 65535'],
    [{ Address: 'a/b' }, 'has address "a/b", which is not a host name or IP'],
    [{ Address: 'user@host' }, 'has address "user@host", which is not a host name or IP'],
    [{ ID: '' }, 'has no node name or no service id'],
  ])('%j is excluded with its reason', (service, reason) => {
    const decoded = decodeHealth([healthEntry(80, { service }), healthEntry(81)])
    expect(decoded.instances).toHaveLength(1)
    expect(decoded.excluded).toMatchObject([{ reason }])
  })
})

test('a port of 0 has the same key whether it is sent, or omitted as by 1.13', () => {
  const keys = [
    { Port: 0 },
    { Port: undefined },
    { Port: undefined, Address: '', TaggedAddresses: null },
  ].map((service) => decodeHealth([healthEntry(80, { service })]).excluded[0]?.key)
  expect(keys).toEqual(Array.from({ length: 3 }, () => 'node-1/orders-80@10.0.0.1:0'))
})

describe('status', () => {
  const weights = { Weights: { Passing: 7, Warning: 3 } }
  test.each<[string, readonly object[], number | string]>([
    ['no checks', [], 7],
    ['passing', [check('a', 'passing')], 7],
    ['warning', [check('a', 'passing'), check('b', 'warning')], 3],
    ['critical beats warning', [check('b', 'critical'), check('a', 'warning')], 'critical'],
    ['critical node', [check('serfHealth', 'critical')], 'critical'],
    [
      'node maintenance beats critical',
      [check('a', 'critical'), check('_node_maintenance', 'critical')],
      'maintenance',
    ],
    [
      'service maintenance',
      [check('_service_maintenance:orders-80', 'critical', 'orders-80')],
      'maintenance',
    ],
    ['an unknown status', [check('a', 'unknown')], 'critical'],
    ["another service's check", [check('a', 'critical', 'other')], 7],
    ["the service's own check", [check('a', 'critical', 'orders-80')], 'critical'],
  ])('%s', (_, checks, expected) => {
    const { instances, excluded } = decodeHealth([healthEntry(80, { service: weights, checks })])
    expect(typeof expected === 'number' ? instances[0]?.weight : excluded[0]?.reason).toBe(expected)
  })

  test('a warning may weigh nothing, and nonsense weighs one', () => {
    const warning = [check('a', 'warning')]
    const weigh = (Weights: unknown): number | undefined =>
      decodeHealth([healthEntry(80, { service: { Weights }, checks: warning })]).instances[0]?.weight
    expect(weigh({ Passing: 1, Warning: 0 })).toBe(0)
    expect([weigh(undefined), weigh({}), weigh({ Warning: -1 }), weigh({ Warning: '3' })]).toEqual([
      1, 1, 1, 1,
    ])
  })
})

test.each([null, 3, {}, { Node: null, Service: [] }])('what is not an entry is excluded: %j', (entry) => {
  expect(decodeHealth([entry, healthEntry(80)])).toMatchObject({ instances: [{}], excluded: [{}] })
})

test('order, indexes and check outputs make no difference; weight, tags and reasons do', () => {
  const passing = (Output: string): readonly object[] => [
    { ...check('a', 'passing'), Output, ModifyIndex: 3 },
  ]
  const a = decodeHealth([healthEntry(80), healthEntry(81, { checks: passing('1') })])
  const b = decodeHealth([healthEntry(81, { checks: passing('2') }), healthEntry(80)])
  expect(sameHealth(a, b)).toBe(true)
  const heavier = decodeHealth([healthEntry(80), healthEntry(81, { service: { Weights: { Passing: 2 } } })])
  const tagged = decodeHealth([healthEntry(80), healthEntry(81, { service: { Tags: ['x'] } })])
  const down = decodeHealth([healthEntry(80), healthEntry(81, { checks: [check('a', 'critical')] })])
  const drained = decodeHealth([
    healthEntry(80),
    healthEntry(81, { checks: [check('_node_maintenance', '')] }),
  ])
  for (const other of [heavier, tagged, down, decodeHealth([healthEntry(80)])])
    expect(sameHealth(a, other)).toBe(false)
  expect(sameHealth(down, drained)).toBe(false)
})
