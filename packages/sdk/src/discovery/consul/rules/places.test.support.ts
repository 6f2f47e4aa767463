import {
  answer,
  healthEntry,
  noClusterLeader,
  noLeader,
  refuse,
  type FakeConsul,
} from '../../../testing/index.js'
import { one, two } from './data.test.support.js'
import { becomes, postponed, silentFor, type Rule } from './rule.test.support.js'

const SELF = 'GET /v1/agent/self'

const far = [
  healthEntry(9, {
    node: { Datacenter: 'dc2' },
    service: { Address: '10.0.0.1', TaggedAddresses: { wan: { Address: '198.51.100.1', Port: 9 } } },
  }),
]
const lan = '9'
const wan = 'http://198.51.100.1:9'

const unasked = 'suspect: AGENT answered 500 (No cluster leader): the agent is up, but has no leader to ask'
const lateFar = postponed(answer(5, far))
const lateFailure = postponed(noClusterLeader())

const toFailOver = { failover: [{ datacenter: 'dc2' }] }
const serveBoth = (agent: FakeConsul): void => {
  agent.serve('orders', one)
  agent.serve('orders', far, { datacenter: 'dc2' })
}

/** Rules 10 and 16: other datacenters, which of their addresses, and what becomes of those that cannot be asked. */
export const places: readonly Rule[] = [
  {
    rule: '10',
    name: 'another datacenter is reached by its WAN addresses',
    consul: { datacenter: 'dc2' },
    prepare: serveBoth,
    sees: [`set of ${wan}`],
  },
  {
    rule: '10',
    name: "the agent's own by its LAN addresses, also where it is named",
    consul: { datacenter: 'dc1' },
    prepare: (agent) => agent.serve('orders', far, { datacenter: 'dc1' }),
    sees: [`set of ${lan}`],
  },
  {
    rule: '10',
    name: 'which datacenter is its own is asked until it is known',
    consul: { datacenter: 'dc1' },
    prepare: (agent) => {
      agent.serve('orders', far)
      const self = { Config: { Datacenter: 'dc1' } }
      agent.on(SELF, noClusterLeader(), refuse(503, ''), (_, response) => response.end(JSON.stringify(self)))
    },
    sees: [/^stale: .*No cluster leader/, /^stale: .*503/, `set of ${lan}`],
  },
  {
    rule: '10',
    name: 'where our token may not know, one that is named is another one',
    consul: { datacenter: 'dc1' },
    prepare: (agent) => {
      agent.serve('orders', far)
      agent.on(SELF, refuse(403, 'Permission denied'))
    },
    sees: [`set of ${wan}`],
  },
  {
    rule: '10',
    name: 'or what is said is not what we know',
    consul: { datacenter: 'dc1' },
    prepare: (agent) => {
      agent.serve('orders', far)
      agent.on(SELF, refuse(200, '<html>'))
    },
    sees: [`set of ${wan}`],
  },
  {
    rule: '16',
    name: 'a failover target that cannot be asked is a note beside the set, and no staleness',
    consul: toFailOver,
    prepare: (agent) => agent.serve('orders', one),
    sees: [
      becomes('set of 1; out: orders in dc2 (AGENT answered 500 (No path to datacenter))'),
      silentFor(60_000),
      ({ agent }) => agent.serve('orders', far, { datacenter: 'dc2' }),
      `set of 1 ${wan}@1`,
    ],
  },
  {
    rule: '16',
    name: 'what it said before stays while it cannot be asked',
    consul: toFailOver,
    prepare: serveBoth,
    sees: [
      becomes(`set of 1 ${wan}@1`),
      ({ agent }) => agent.serve('orders', noClusterLeader(), { datacenter: 'dc2' }),
      `set of 1 ${wan}@1; out: orders in dc2 (AGENT answered 500 (No cluster leader): the agent is up, but has no leader to ask)`,
      ({ agent }) => agent.serve('orders', two),
      /^set of 1 2 http:\/\/198\.51\.100\.1:9@1; out: orders in dc2 /,
    ],
  },
  {
    rule: '16',
    name: 'while the first place cannot be asked, others serve: it fails before they answer',
    consul: toFailOver,
    prepare: (agent) => {
      agent.serve('orders', noClusterLeader())
      agent.serve('orders', lateFar.step, { datacenter: 'dc2' })
    },
    sees: [
      /^stale: .*No cluster leader/,
      lateFar.go,
      `set of ${wan}@1; ${unasked}`,
      /^stale: .*No cluster leader/,
    ],
  },
  {
    rule: '16',
    name: 'while the first place cannot be asked, others serve: it fails after they have answered',
    consul: toFailOver,
    prepare: (agent) => {
      agent.serve('orders', lateFailure.step)
      agent.serve('orders', far, { datacenter: 'dc2' })
    },
    sees: [
      silentFor(1000),
      lateFailure.go,
      `set of ${wan}@1; ${unasked}`,
      /^stale: .*No cluster leader/,
      ({ agent }) => agent.serve('orders', one),
      `set of 1 ${wan}@1`,
    ],
  },
  {
    rule: '16',
    name: 'an instance of two priorities belongs to the better one',
    consul: { failover: [{ service: 'all' }] },
    prepare: (agent) => {
      agent.serve('orders', one)
      agent.serve('all', two)
    },
    sees: [becomes('set of 1 2@1')],
  },
  {
    rule: '16',
    name: 'a set of which one priority is suspect is suspect',
    consul: toFailOver,
    prepare: (agent) => {
      agent.serve('orders', one)
      agent.serve('orders', answer(5, far, noLeader), { datacenter: 'dc2' })
    },
    sees: [becomes(`set of 1 ${wan}@1; suspect: the agent knows no leader`)],
  },
]
