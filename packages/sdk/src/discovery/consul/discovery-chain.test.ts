import { describe, expect, test } from 'vitest'
import { discoveryChain } from '../../testing/index.js'
import { decodeChain, type ChainTarget } from './discovery-chain.js'

function target(overrides: Partial<ChainTarget>): ChainTarget {
  return {
    service: 'orders',
    datacenter: undefined,
    namespace: undefined,
    partition: undefined,
    peer: undefined,
    filter: undefined,
    onlyPassing: false,
    ...overrides,
  }
}

const v2 = 'Service.Meta.version == v2'
const v1 = 'Service.Meta.version == v1'
const seconds = (count: number | undefined): object => ({
  connectTimeoutMs: count === undefined ? undefined : count * 1000,
  requestTimeoutMs: undefined,
  loadBalancer: undefined,
})

/** A chain as it came, with what is the same in all of them. */
function chain(name: string, start: string, resolver: string, targets: string): unknown {
  const nodes = `"resolver:${start}":{"Type":"resolver","Name":"${start}","Resolver":${resolver}}`
  return JSON.parse(
    `{"Chain":{"ServiceName":"${name}","Namespace":"default","Datacenter":"dc1","Protocol":"tcp","StartNode":"resolver:${start}","Nodes":{${nodes}},"Targets":{${targets}}}}`,
  )
}

describe('answers of Consul 1.8.7', () => {
  test('no service-resolver', () => {
    const answer = chain(
      'orders',
      'orders.default.dc1',
      '{"ConnectTimeout":"5s","Default":true,"Target":"orders.default.dc1"}',
      '"orders.default.dc1":{"ID":"orders.default.dc1","Service":"orders","Namespace":"default","Datacenter":"dc1","MeshGateway":{},"Subset":{},"SNI":"orders.default.dc1.internal.e84aaa8b-f1e2-b2ff-a602-eabb56316c3f.consul","Name":"orders.default.dc1.internal.e84aaa8b-f1e2-b2ff-a602-eabb56316c3f.consul"}',
    )
    // Its timeout is Consul's default, which no one has configured.
    expect(decodeChain(answer)).toEqual({ targets: [target({})], policy: seconds(undefined) })
  })

  test('a default subset, which lets only those through that pass', () => {
    const answer = chain(
      'orders',
      'v2.orders.default.dc1',
      '{"ConnectTimeout":"3s","Target":"v2.orders.default.dc1"}',
      '"v2.orders.default.dc1":{"ID":"v2.orders.default.dc1","Service":"orders","ServiceSubset":"v2","Namespace":"default","Datacenter":"dc1","MeshGateway":{},"Subset":{"Filter":"Service.Meta.version == v2","OnlyPassing":true},"SNI":"v2.orders...","Name":"v2.orders..."}',
    )
    expect(decodeChain(answer)).toEqual({
      targets: [target({ filter: v2, onlyPassing: true })],
      policy: seconds(3),
    })
  })

  test('a redirect to a subset of another service', () => {
    const answer = chain(
      'old-orders',
      'v1.orders.default.dc1',
      '{"ConnectTimeout":"3s","Target":"v1.orders.default.dc1"}',
      '"v1.orders.default.dc1":{"ID":"v1.orders.default.dc1","Service":"orders","ServiceSubset":"v1","Namespace":"default","Datacenter":"dc1","MeshGateway":{},"Subset":{"Filter":"Service.Meta.version == v1"},"SNI":"x","Name":"x"}',
    )
    expect(decodeChain(answer)).toEqual({ targets: [target({ filter: v1 })], policy: seconds(3) })
  })

  test('a redirect to another datacenter', () => {
    const answer = chain(
      'far',
      'far.default.dc2',
      '{"ConnectTimeout":"5s","Target":"far.default.dc2"}',
      '"far.default.dc2":{"ID":"far.default.dc2","Service":"far","Namespace":"default","Datacenter":"dc2","MeshGateway":{},"Subset":{},"SNI":"x","Name":"x"}',
    )
    expect(decodeChain(answer).targets).toEqual([target({ service: 'far', datacenter: 'dc2' })])
  })

  test('failover to a subset of another service', () => {
    const answer = chain(
      'fo',
      'fo.default.dc1',
      '{"ConnectTimeout":"5s","Target":"fo.default.dc1","Failover":{"Targets":["v1.orders.default.dc1"]}}',
      '"fo.default.dc1":{"ID":"fo.default.dc1","Service":"fo","Namespace":"default","Datacenter":"dc1","MeshGateway":{},"Subset":{},"SNI":"x","Name":"x"},"v1.orders.default.dc1":{"ID":"v1.orders.default.dc1","Service":"orders","ServiceSubset":"v1","Namespace":"default","Datacenter":"dc1","MeshGateway":{},"Subset":{"Filter":"Service.Meta.version == v1"},"SNI":"x","Name":"x"}',
    )
    expect(decodeChain(answer).targets).toEqual([target({ service: 'fo' }), target({ filter: v1 })])
  })

  test('failover to other datacenters, in their order', () => {
    const ids = ['dc1', 'dc2', 'dc3'].map((dc) => `v1.fo.default.${dc}`)
    const answer = chain(
      'fo',
      'v1.fo.default.dc1',
      '{"ConnectTimeout":"5s","Target":"v1.fo.default.dc1","Failover":{"Targets":["v1.fo.default.dc3","v1.fo.default.dc2"]}}',
      ids
        .map(
          (id) =>
            `"${id}":{"ID":"${id}","Service":"fo","ServiceSubset":"v1","Namespace":"default","Datacenter":"${id.slice(-3)}","MeshGateway":{},"Subset":{"Filter":"Service.Meta.version == v1"},"SNI":"x","Name":"x"}`,
        )
        .join(),
    )
    expect(decodeChain(answer).targets).toEqual([
      target({ service: 'fo', filter: v1 }),
      target({ service: 'fo', filter: v1, datacenter: 'dc3' }),
      target({ service: 'fo', filter: v1, datacenter: 'dc2' }),
    ])
  })

  test('compiled as if in another datacenter: that is the own one then', () => {
    const answer = JSON.parse(
      '{"Chain":{"ServiceName":"orders","Namespace":"default","Datacenter":"dc9","Protocol":"tcp","StartNode":"resolver:orders.default.dc9","Nodes":{"resolver:orders.default.dc9":{"Type":"resolver","Name":"orders.default.dc9","Resolver":{"ConnectTimeout":"5s","Target":"orders.default.dc9"}}},"Targets":{"orders.default.dc9":{"ID":"orders.default.dc9","Service":"orders","Namespace":"default","Datacenter":"dc9","MeshGateway":{},"Subset":{}}}}}',
    ) as unknown
    expect(decodeChain(answer).targets).toEqual([target({})])
  })

  test('one that does not begin with a resolver is refused', () => {
    const answer = JSON.parse(
      '{"Chain":{"ServiceName":"web","Namespace":"default","Datacenter":"dc1","Protocol":"http","StartNode":"splitter:web.default","Nodes":{"splitter:web.default":{"Type":"splitter","Name":"web.default","Splits":[{"Weight":90,"NextNode":"resolver:v1.web.default.dc1"},{"Weight":10,"NextNode":"resolver:v2.web.default.dc1"}]}},"Targets":{}}}',
    ) as unknown
    expect(() => decodeChain(answer)).toThrow('the discovery chain names no target ""')
  })
})

// The names of fields are those of Consul's api/config_entry_discoverychain.go and structs/discovery_chain.go.
describe('what came with 1.9 and later', () => {
  const decoded = (loadBalancer: object): unknown =>
    decodeChain(discoveryChain('orders', { loadBalancer })).policy.loadBalancer

  test('least_request', () => {
    expect(decoded({ Policy: 'least_request', LeastRequestConfig: { ChoiceCount: 3 } })).toEqual({
      policy: 'least_request',
      choiceCount: 3,
      minimumRingSize: undefined,
      maximumRingSize: undefined,
      hashPolicies: [],
    })
  })

  test('ring_hash with everything', () => {
    const policy = decoded({
      Policy: 'ring_hash',
      RingHashConfig: { MinimumRingSize: 1, MaximumRingSize: 2 },
      HashPolicies: [
        {
          Field: 'cookie',
          FieldValue: 'good-cookie',
          CookieConfig: { TTL: 1_000_000_000, Path: '/oven' },
          Terminal: true,
        },
        { Field: 'header', FieldValue: 'x-user-id' },
        { Field: 'query_parameter', FieldValue: 'q' },
        { SourceIP: true, Terminal: true },
        { Field: 'moon_phase', FieldValue: 'full' },
      ],
    })
    expect(policy).toEqual({
      policy: 'ring_hash',
      choiceCount: undefined,
      minimumRingSize: 1,
      maximumRingSize: 2,
      hashPolicies: [
        { field: 'cookie', name: 'good-cookie', terminal: true },
        { field: 'header', name: 'x-user-id', terminal: false },
        { field: 'query_parameter', name: 'q', terminal: false },
        { field: 'source_ip', name: '', terminal: true },
      ],
    })
  })

  test('none, and one that names none', () => {
    expect(decodeChain(discoveryChain('orders', {})).policy.loadBalancer).toBeUndefined()
    expect(decoded({ HashPolicies: [{ SourceIP: true }] })).toBeUndefined()
  })

  test('RequestTimeout, which Consul writes as a number of nanoseconds', () => {
    const { policy } = decodeChain(discoveryChain('orders', { connectTimeout: '1s', requestTimeoutMs: 2500 }))
    expect(policy).toMatchObject({ connectTimeoutMs: 1000, requestTimeoutMs: 2500 })
  })

  test('peers, partitions and namespaces, but for those that are called default', () => {
    const { targets } = decodeChain(
      discoveryChain('orders', {
        target: { peer: 'cloud', partition: 'default' },
        failover: [{ namespace: 'team', partition: 'east', datacenter: 'dc2' }],
      }),
    )
    expect(targets).toEqual([
      target({ peer: 'cloud' }),
      target({ namespace: 'team', partition: 'east', datacenter: 'dc2' }),
    ])
  })
})

test.each([
  null,
  [],
  {},
  { Chain: null },
  { Chain: { StartNode: 'x', Nodes: { x: {} } } },
  { Chain: { StartNode: 'x', Nodes: { x: { Resolver: { Target: 't' } } }, Targets: { t: {} } } },
  {
    Chain: {
      StartNode: 'x',
      Nodes: { x: { Resolver: { Target: 't', Failover: { Targets: ['u'] } } } },
      Targets: { t: { Service: 'a' } },
    },
  },
])('what is not a chain is rejected: %j', (body) => {
  expect(() => decodeChain(body)).toThrow(/the discovery chain names no target/)
})
