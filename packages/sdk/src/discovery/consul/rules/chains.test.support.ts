import { expect } from 'vitest'
import {
  answer,
  connectDisabled,
  discoveryChain,
  healthCheck,
  healthEntry,
  hold,
  noClusterLeader,
  refuse,
  tooManyRequests,
  type FakeConsul,
} from '../../../testing/index.js'
import type { ConsulOptions } from '../options.js'
import { one, say, times, two } from './data.test.support.js'
import { becomes, silentFor, took, type Action, type Rule } from './rule.test.support.js'
import type { World } from './world.test.support.js'

const LIST = 'GET /v1/config/service-resolver'
const CHAIN = 'POST /v1/discovery-chain/orders'

const v2 = { subset: 'v2', filter: 'Service.Meta.version == v2' }
const three = [healthEntry(3)]

/** What was asked of each service's health, without waiting, each once; sorted, as targets are asked at once. */
const questions = ({ queries }: FakeConsul): readonly string[] => {
  const asked = queries
    .filter(({ index }) => index === undefined)
    .map(({ service, query }) => `${service}?${decodeURIComponent(query.toString())}`)
  return [...new Set(asked)].sort()
}

const asked =
  (...expected: readonly string[]): Action =>
  ({ agent }) =>
    expect(questions(agent)).toEqual([...expected].sort())

const chainsAsked = ({ agent }: World): number =>
  agent.requests.filter(({ path }) => path.startsWith('/v1/discovery-chain/')).length

const policy = (connectTimeoutMs: number | undefined, rest: object = {}): string =>
  `policy: ${JSON.stringify({ connectTimeoutMs, ...rest })}`

const usual = policy(5000)

/** A row about a service that has, or gets, a `service-resolver`. */
function chain(
  name: string,
  prepare: (agent: FakeConsul) => void,
  sees: Rule['sees'],
  consul: ConsulOptions = {},
): Rule {
  return { rule: '16', name, prepare, sees, consul: { serverPolicy: true, ...consul } }
}

/** The list of service-resolvers, as far as we read it. */
const listed = (index: number, ...names: readonly string[]): ReturnType<typeof answer> =>
  answer(
    index,
    names.map((Name) => ({ Kind: 'service-resolver', Name })),
  )

/** Rule 16: what the registry says of how to reach a service. */
export const chains: readonly Rule[] = [
  chain(
    'a service without a service-resolver costs no question of its own',
    (agent) => {
      agent.configure('payments', discoveryChain('payments', {}))
      agent.serve('orders', one)
    },
    ['set of 1', asked('orders?'), (world) => expect(chainsAsked(world)).toBe(0)],
  ),
  chain(
    'is not requested at all where the client says so',
    (agent) => {
      agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } }))
      agent.serve('orders', one)
    },
    ['set of 1', ({ agent }) => expect(agent.requests.length).toBe(agent.queries.length)],
    { serverPolicy: false },
  ),
  chain(
    'the filter of the default subset is added to the filter of the client',
    (agent) => {
      agent.configure('orders', discoveryChain('orders', { target: v2, connectTimeout: '3s' }))
      agent.serve('orders', one)
    },
    [
      `set of 1; ${policy(3000)}`,
      asked('orders?filter=(Service.Meta.zone+==+a)+and+(Service.Meta.version+==+v2)'),
      ({ agent }) => {
        const request = agent.requests.find(({ path }) => path.startsWith('/v1/discovery-chain/'))
        expect(request).toMatchObject({ method: 'POST', path: '/v1/discovery-chain/orders' })
      },
    ],
    { filter: 'Service.Meta.zone == a' },
  ),
  chain(
    'onlyPassing of a subset excludes what has a warning',
    (agent) => {
      agent.configure('orders', discoveryChain('orders', { target: { ...v2, onlyPassing: true } }))
      agent.serve('orders', [healthEntry(1), healthEntry(2, { checks: [healthCheck('warning')] })])
    },
    [`set of 1; out: node-1/orders-2@10.0.0.1:2 (warning); ${usual}`],
  ),
  chain(
    'a redirect leads to another service, another datacenter and another peer',
    (agent) => {
      const target = { service: 'new-orders', datacenter: 'dc2' }
      agent.configure('orders', discoveryChain('orders', { target }))
      agent.serve('orders', two)
      agent.serve('new-orders', one, { datacenter: 'dc2' })
    },
    [
      `set of 1; ${usual}`,
      asked('new-orders?dc=dc2'),
      ({ agent }) => {
        agent.configure('orders', discoveryChain('orders', { target: { peer: 'cloud' } }))
        agent.serve('orders', three, { peer: 'cloud' })
      },
      `set of 3; ${usual}`,
      asked('new-orders?dc=dc2', 'orders?peer=cloud'),
    ],
  ),
  chain(
    'failover targets are the next priorities, in their order',
    (agent) => {
      const failover = [
        { datacenter: 'dc2' },
        { service: 'spare', subset: 'v1', filter: 'Service.Meta.v == 1' },
      ]
      agent.configure('orders', discoveryChain('orders', { failover }))
      agent.serve('orders', one)
      agent.serve('orders', [healthEntry(2)], { datacenter: 'dc2' })
      agent.serve('spare', three)
    },
    [
      becomes(`set of 1 2@1 3@2; ${usual}`),
      asked('orders?', 'orders?dc=dc2', 'spare?filter=Service.Meta.v+==+1'),
    ],
  ),
  chain(
    "the client's own failover goes before it, and the subset stays",
    (agent) => {
      agent.configure('orders', discoveryChain('orders', { target: v2, failover: [{ datacenter: 'dc3' }] }))
      agent.serve('orders', one)
      agent.serve('orders', [healthEntry(2)], { datacenter: 'dc2' })
    },
    [
      becomes(`set of 1 2@1; ${usual}`),
      asked('orders?filter=Service.Meta.version+==+v2', 'orders?dc=dc2&filter=Service.Meta.version+==+v2'),
    ],
    { failover: [{ datacenter: 'dc2' }] },
  ),
  chain(
    'timeouts and the load balancer are handed on',
    (agent) => {
      const loadBalancer = {
        Policy: 'ring_hash',
        RingHashConfig: { MinimumRingSize: 1024, MaximumRingSize: 4096 },
        HashPolicies: [{ Field: 'header', FieldValue: 'x-user-id', Terminal: true }, { SourceIP: true }],
      }
      agent.configure(
        'orders',
        discoveryChain('orders', { connectTimeout: '1m30s', requestTimeoutMs: 2500, loadBalancer }),
      )
      agent.serve('orders', one)
    },
    [
      `set of 1; ${policy(90_000, {
        requestTimeoutMs: 2500,
        loadBalancer: {
          policy: 'ring_hash',
          minimumRingSize: 1024,
          maximumRingSize: 4096,
          hashPolicies: [
            { field: 'header', name: 'x-user-id', terminal: true },
            { field: 'source_ip', name: '', terminal: false },
          ],
        },
      })}`,
    ],
  ),
  chain(
    'a change while watching is followed, and what stays is not asked anew',
    (agent) => {
      agent.serve('orders', one)
      agent.serve('else', two)
    },
    [
      'set of 1',
      ({ agent }) => agent.configure('orders', discoveryChain('orders', { connectTimeout: '1s' })),
      `set of 1; ${policy(1000)}`,
      asked('orders?'),
      ({ agent }) => agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } })),
      `set of 1 2; ${usual}`,
      ({ agent }) => agent.configure('orders', undefined),
      'set of 1',
      asked('orders?', 'else?'),
    ],
  ),
  chain(
    'until the new target has answered, the old set serves on',
    (agent) => {
      agent.serve('orders', one)
      agent.serve('else', two)
    },
    [
      'set of 1',
      ({ agent }) => {
        agent.script(noClusterLeader())
        agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } }))
      },
      /^stale: .*No cluster leader/,
      `set of 1 2; ${usual}`,
    ],
  ),
  chain(
    'a query of the list that ends with its time and nothing new asks for no chain',
    (agent) => {
      agent.configure('orders', discoveryChain('orders', {}))
      agent.serve('orders', one)
    },
    [`set of 1; ${usual}`, silentFor(300_000), (world) => expect(chainsAsked(world)).toBe(1)],
  ),
  chain(
    'servers without Connect: there is no chain, and it is requested again each minute',
    (agent) => {
      agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } }))
      agent.serve('orders', one)
      agent.serve('else', two)
      agent.on(CHAIN, connectDisabled(), connectDisabled())
    },
    [
      'set of 1',
      silentFor(59_999),
      (world) => expect(chainsAsked(world)).toBe(1),
      silentFor(2),
      (world) => {
        expect(chainsAsked(world)).toBe(2)
        world.agent.off(CHAIN)
      },
      `set of 1 2; ${usual}`,
    ],
  ),
  chain(
    'an agent that is not a server says so in other words',
    (agent) => {
      agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } }))
      agent.serve('orders', one)
      agent.on(
        CHAIN,
        refuse(500, 'rpc error making call: Connect must be enabled in order to use this endpoint'),
      )
    },
    ['set of 1'],
  ),
  chain(
    'an old agent that knows no such thing has none for us',
    (agent) => {
      agent.on(LIST, refuse(404, ''), refuse(404, ''), refuse(404, ''))
      agent.serve('orders', one)
    },
    ['set of 1', silentFor(60_000)],
  ),
  chain(
    'neither has one that refuses our token, until it does not',
    (agent) => {
      agent.on(LIST, refuse(403, 'Permission denied'), listed(9, 'orders'))
      agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } }))
      agent.serve('orders', one)
      agent.serve('else', two)
    },
    ['set of 1', `set of 1 2; ${usual}`, took(15_000, 30_000)],
  ),
  chain(
    'what is known stays while the list cannot be had, whatever the reason',
    (agent) => {
      agent.on(
        LIST,
        listed(9, 'orders'),
        ...[noClusterLeader(), refuse(500, 'x'), refuse(404, ''), refuse(403, ''), say('<html>')],
        listed(9, 'orders'),
        hold(),
      )
      agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } }))
      agent.serve('orders', one)
      agent.serve('else', two)
    },
    [
      `set of 1 2; ${usual}`,
      silentFor(120_000),
      asked('else?'),
      ({ agent }) => agent.serve('else', three),
      `set of 3; ${usual}`,
    ],
  ),
  chain(
    'a list of a server that has not read its log yet is not believed',
    (agent) => {
      agent.on(LIST, listed(9, 'orders'), noClusterLeader(), listed(1), listed(9, 'orders'), hold())
      agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } }))
      agent.serve('orders', one)
      agent.serve('else', two)
    },
    [`set of 1 2; ${usual}`, silentFor(60_000), asked('else?')],
  ),
  chain(
    'a list under index 0 is delivered at once',
    (agent) => {
      agent.on(LIST, listed(0), hold())
      agent.serve('orders', one)
    },
    ['set of 1', ({ clock }) => expect(clock.now()).toBe(0)],
  ),
  chain(
    'nothing is watched before it is known what, and why that takes time is reported',
    (agent) => {
      agent.on(
        LIST,
        ...[
          noClusterLeader(),
          refuse(500, 'rpc error getting client: failed to get conn'),
          tooManyRequests(),
        ],
        listed(9, 'orders'),
      )
      agent.on(
        CHAIN,
        refuse(503, ''),
        say(JSON.stringify(discoveryChain('orders', { target: { service: 'else' } }))),
      )
      agent.serve('orders', one)
      agent.serve('else', two)
    },
    [
      /^stale: .*No cluster leader/,
      /^stale: .*rpc error getting client/,
      /^stale: .*429/,
      /^stale: .*503/,
      `set of 1 2; ${usual}`,
      asked('else?'),
    ],
  ),
  chain(
    'a chain that is not to be had for a while leaves the plan as it is',
    (agent) => {
      agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } }))
      agent.serve('orders', one)
      agent.serve('else', two)
    },
    [
      `set of 1 2; ${usual}`,
      ({ agent }) => {
        agent.on(CHAIN, ...times(3, refuse(503, '')), refuse(404, ''), say('{"Chain":{}}'), say('no JSON'))
        agent.configure('orders', discoveryChain('orders', { target: { service: 'third' } }))
        agent.serve('third', three)
      },
      silentFor(180_000),
      (world) => {
        expect(chainsAsked(world)).toBe(1 + 6)
        world.agent.off(CHAIN)
      },
      `set of 3; ${usual}`,
      asked('else?', 'third?'),
    ],
  ),
  chain(
    'an agent that dies between the chain and the instances',
    (agent) => {
      agent.configure('orders', discoveryChain('orders', { target: { service: 'else' } }))
      agent.serve('else', two)
      agent.script((request) => {
        request.socket.destroy()
        void agent.restart()
      })
    },
    [/^stale: .*could not be reached/, `set of 1 2; ${usual}`],
  ),
  chain(
    'the list and the chain are read as consistently as instances',
    (agent) => {
      agent.configure('orders', discoveryChain('orders', {}))
      agent.serve('orders', one, { datacenter: 'dc2' })
    },
    [
      `set of 1; ${usual}`,
      ({ agent }) => {
        const others = agent.requests.filter(({ path }) => /config|chain/.test(path))
        expect(
          others
            .map(({ path, query }) => `${path}?${query.toString()}`)
            .slice(0, 3)
            .sort(),
        ).toEqual([
          '/v1/config/service-resolver?stale=',
          '/v1/config/service-resolver?stale=&index=2&wait=300000ms',
          '/v1/discovery-chain/orders?stale=&compile-dc=dc2',
        ])
      },
    ],
    { consistency: 'stale', datacenter: 'dc2' },
  ),
]
