import { expect } from 'vitest'
import { answer, discoveryChain, healthEntry } from '../../../testing/index.js'
import type { Rule } from './rule.test.support.js'

// An address of Consul's transparent proxy, which means something inside of a mesh only.
const virtual = { Address: '240.0.0.1', Port: 80 }
const meshed = healthEntry(1, {
  service: { Address: '10.1.1.1', TaggedAddresses: { virtual, 'consul-virtual': virtual } },
})

/**
 * Rule 15, as far as it is about a client that does not speak Connect: it has no certificate of a mesh and asks for
 * none, and where it sends is what Consul shows to those outside.
 */
export const connect: readonly Rule[] = [
  {
    rule: '15',
    name: 'no certificates are requested, and no list of what accepts mTLS',
    consul: { serverPolicy: true },
    prepare: (agent) => {
      agent.serve('orders', [healthEntry(1)])
      agent.configure('orders', discoveryChain('orders', {}))
    },
    sees: [
      /^set of 1/,
      async (world) => {
        await world.pass(() => world.agent.held === 2, 0)
        expect([...new Set(world.agent.requests.map(({ path }) => path))].toSorted()).toEqual([
          '/v1/config/service-resolver',
          '/v1/discovery-chain/orders',
          '/v1/health/service/orders',
        ])
      },
    ],
  },
  ...(['lan', 'wan'] as const).map((network): Rule => ({
    rule: '15',
    name: `the address inside of a mesh is never taken: ${network}`,
    consul: { network },
    script: [answer(1, [meshed])],
    sees: ['set of http://10.1.1.1:1'],
  })),
  {
    rule: '15',
    name: 'one that speaks Connect itself is listed, as Consul does, for it may take others as well',
    script: [answer(1, [healthEntry(1, { service: { Connect: { Native: true } } })])],
    sees: ['set of 1'],
  },
  {
    rule: '15',
    name: 'unless it is excluded by a filter, which the agent applies',
    consul: { filter: 'Service.Connect.Native != true' },
    prepare: (agent) => agent.serve('orders', [healthEntry(1)]),
    sees: ['set of 1'],
    asks: [
      'filter=Service.Connect.Native != true',
      'filter=Service.Connect.Native != true&index=2&wait=300000ms',
    ],
  },
]
