import { expect } from 'vitest'
import {
  answer,
  cutOff,
  deniesByDefault,
  filteredByAcls,
  healthCheck,
  healthEntry,
  hold,
  noClusterLeader,
  noLeader,
  noPathToDatacenter,
  refuse,
  streamed,
  withoutContact,
} from '../../../testing/index.js'
import { one, two } from './data.test.support.js'
import { explained, silentFor, took, type Rule } from './rule.test.support.js'

const behind = 'suspect: the server that answered has heard nothing of its leader for more than 10 s'
const isCutOff = "suspect: the agent's cache is cut off from the servers"
const noToken = "no token: set CONSUL_HTTP_TOKEN, as the agent's ACLs deny what no token allows"
const blind = `suspect: ${noToken}`
const filtered = 'suspect: the ACL token may not see all of it'
const leaderless = 'suspect: the agent knows no leader'
const heldUp = refuse(500, 'rpc error making call: No cluster leader')

/** Rules 6 to 8: what an answer is worth. */
export const trust: readonly Rule[] = [
  {
    rule: '6',
    name: 'an empty list is a fact about the registry',
    script: [answer(1, one), answer(2, []), answer(3, one)],
    sees: ['set of 1', 'set of none', 'set of 1'],
  },
  {
    rule: '6',
    name: 'never seen, all critical and all in maintenance are told apart, as we ask for those that do not pass as well',
    script: [
      answer(1, []),
      answer(2, [healthEntry(1, { checks: [healthCheck('critical')] })]),
      answer(3, [healthEntry(1, { checks: [healthCheck('maintenance')] })]),
    ],
    sees: [
      'set of none',
      'set of none; out: node-1/orders-1@10.0.0.1:1 (critical)',
      'set of none; out: node-1/orders-1@10.0.0.1:1 (maintenance)',
      ({ agent }) => expect(agent.queries.every(({ query }) => !query.has('passing'))).toBe(true),
    ],
  },
  {
    rule: '6, node-consul: empty, without a leader',
    name: 'an agent that knows no leader is suspect, until it knows one',
    only: 'blocking-query',
    script: [answer(1, two), answer(2, [], noLeader), answer(2, [])],
    sees: ['set of 1 2', `set of none; ${leaderless}`, 'set of none'],
  },
  {
    rule: '6',
    name: 'the same reason to be suspect is reported once, and a change under it',
    script: [answer(1, one, noLeader), answer(2, one, noLeader), answer(3, two, noLeader)],
    sees: [`set of 1; ${leaderless}`, `set of 1 2; ${leaderless}`],
  },
  {
    rule: '6',
    name: 'nothing wakes a query when an answer is no longer suspect, so it waits for 10 s at most',
    only: 'blocking-query',
    prepare: (agent) => {
      agent.serve('orders', one)
      agent.say(noLeader)
    },
    sees: [
      `set of 1; ${leaderless}`,
      ({ agent }) => agent.say({}),
      'set of 1',
      took(10_000, 10_000),
      ({ agent }) => agent.serve('orders', two),
      'set of 1 2',
    ],
    asks: ['', 'index=2&wait=10000ms', 'index=2&wait=300000ms', 'index=3&wait=300000ms'],
  },
  {
    rule: '6',
    name: 'a token that may no longer see all of it is suspect',
    only: 'blocking-query',
    script: [answer(1, two), answer(2, one, filteredByAcls), answer(3, two)],
    sees: ['set of 1 2', `set of 1; ${filtered}`, 'set of 1 2'],
  },
  {
    rule: '6',
    name: 'a token that may see nothing is suspect from the beginning',
    only: 'blocking-query',
    script: [answer(1, [], filteredByAcls), answer(2, one, filteredByAcls)],
    sees: [`set of none; ${filtered}`, 'set of 1'],
  },
  {
    rule: '6',
    name: 'a token that has always seen a part has no other truth',
    script: [answer(1, two, filteredByAcls), answer(2, one, filteredByAcls), hold()],
    sees: ['set of 1 2', 'set of 1'],
    asks: ['', 'index=1&wait=300000ms', 'index=2&wait=300000ms'],
  },
  {
    rule: '6, 12: ACLs on, the token forgotten',
    name: 'what is empty by a default policy of deny, to who has no token, is suspect, and says what to do',
    script: [answer(1, two), answer(2, [], deniesByDefault), answer(3, one, deniesByDefault)],
    sees: [
      'set of 1 2',
      `set of none; ${blind}`,
      explained(`knows no instance of that name (${noToken})`),
      'set of 1',
    ],
    // A token that there is not gets no rights meanwhile.
    asks: ['', ...[1, 2, 3].map((index) => `index=${index}&wait=300000ms`)],
  },
  {
    rule: '6, 12',
    name: 'with a token it is a fact, as is all that is critical',
    consul: { token: 'mine' },
    script: [answer(1, [], deniesByDefault)],
    sees: ['set of none', explained('knows no instance of that name')],
  },
  {
    rule: '6, 12',
    name: 'where something is seen, a right to see it is there',
    script: [answer(1, [healthEntry(1, { checks: [healthCheck('critical')] })], deniesByDefault)],
    sees: ['set of none; out: node-1/orders-1@10.0.0.1:1 (critical)'],
  },
  {
    rule: '6, 12',
    name: 'an agent that does not say what its ACLs deny may have them on',
    only: 'blocking-query',
    script: [answer(1, [])],
    sees: [
      'set of none',
      explained('knows no instance of that name (no token: set CONSUL_HTTP_TOKEN, where ACLs are on)'),
    ],
  },
  {
    rule: '6, 12',
    name: 'one that allows by default has nothing to hide',
    only: 'streaming',
    script: [answer(1, [])],
    sees: ['set of none', explained('knows no instance of that name')],
  },
  {
    rule: '6',
    name: 'an unknown datacenter is an error, and not an empty list',
    consul: { datacenter: 'dc9' },
    script: [noPathToDatacenter(), answer(1, one)],
    sees: [/answered 500 \(No path to datacenter\)/, 'set of 1'],
  },
  {
    rule: '7, consul#9776',
    name: 'what the streaming backend says of its leader means nothing: it is believed, and waited on as long as usual',
    script: [answer(1, one), answer(2, two, streamed), answer(3, one, streamed), answer(4, [], streamed)],
    sees: ['set of 1', 'set of 1 2', 'set of 1', 'set of none'],
    asks: ['', ...[1, 2, 3, 4].map((index) => `index=${index}&wait=300000ms`)],
  },
  {
    rule: '7, consul#9776',
    name: 'nor can it clear a suspect answer, which a query that does not block does',
    script: [
      answer(1, two),
      noClusterLeader(),
      answer(1, two, noLeader),
      answer(1, two, streamed),
      answer(1, two, noLeader),
      answer(2, one, streamed),
      answer(2, one),
    ],
    sees: [
      'set of 1 2',
      /^stale: .*No cluster leader/,
      `set of 1 2; ${leaderless}`,
      `set of 1; ${leaderless}`,
      'set of 1',
    ],
    asks: [
      '',
      'index=1&wait=300000ms',
      '',
      'index=1&wait=10000ms',
      '',
      'index=1&wait=10000ms',
      '',
      'index=2&wait=300000ms',
    ],
  },
  {
    rule: '6, 7',
    name: 'nor does it say what ACLs hide: a token that has always seen a part has no other truth',
    script: [
      answer(1, two, filteredByAcls),
      answer(2, one, streamed),
      noClusterLeader(),
      answer(2, one, filteredByAcls),
      answer(3, two, streamed),
    ],
    sees: ['set of 1 2', 'set of 1', /^stale: .*No cluster leader/, 'set of 1', 'set of 1 2'],
  },
  {
    rule: '7, consul#11912',
    name: 'headers that are missing say nothing',
    consul: { consistency: 'stale', cached: true },
    script: [answer(1, one), answer(2, two)],
    sees: ['set of 1', 'set of 1 2'],
  },
  {
    rule: '7',
    name: 'an answer within maxStaleMs is taken as it is',
    consul: { consistency: 'stale' },
    script: [answer(1, one, withoutContact(10_000)), answer(2, two)],
    sees: ['set of 1', 'set of 1 2'],
    asks: ['stale=', 'stale=&index=1&wait=300000ms', 'stale=&index=2&wait=300000ms'],
  },
  {
    rule: '7',
    name: 'what is too old is asked of the leader, once; who has nothing yet gets it meanwhile',
    consul: { consistency: 'stale' },
    script: [answer(5, one, withoutContact(10_001)), answer(7, two, withoutContact(0))],
    sees: [`set of 1; ${behind}`, 'set of 1 2', silentFor(5000)],
    asks: ['stale=', '', 'stale=&index=7&wait=300000ms'],
  },
  {
    rule: '7',
    name: 'who has something waits for what the leader says',
    only: 'blocking-query',
    consul: { consistency: 'stale' },
    script: [answer(5, two), answer(6, [], withoutContact(20_000)), answer(7, one)],
    sees: ['set of 1 2', 'set of 1'],
    asks: ['stale=', 'stale=&index=5&wait=300000ms', '', 'stale=&index=7&wait=300000ms'],
  },
  {
    rule: '7',
    name: 'where the leader cannot be asked, what is too old is taken as suspect, and queried again after 10 s',
    only: 'blocking-query',
    consul: { consistency: 'stale' },
    script: [
      answer(5, two),
      answer(6, one, withoutContact(20_000)),
      heldUp,
      answer(6, one, withoutContact(30_000)),
      heldUp,
      answer(6, one, withoutContact(50)),
    ],
    sees: ['set of 1 2', `set of 1; ${behind}`, 'set of 1'],
    asks: [
      'stale=',
      'stale=&index=5&wait=300000ms',
      '',
      'stale=&index=6&wait=10000ms',
      '',
      'stale=&index=6&wait=10000ms',
      'stale=&index=6&wait=300000ms',
    ],
  },
  {
    rule: '7',
    name: 'the bound is the option maxStaleMs',
    consul: { consistency: 'stale', maxStaleMs: 500 },
    script: [answer(5, one, withoutContact(501)), answer(7, one)],
    sees: [/^set of 1; suspect: .* for more than 0\.5 s$/, 'set of 1'],
  },
  {
    rule: '7',
    name: 'an answer of the leader itself is suspect, and not queried again',
    only: 'blocking-query',
    script: [answer(5, one, withoutContact(900_000)), answer(6, two)],
    sees: [`set of 1; ${behind}`, 'set of 1 2'],
    asks: ['', 'index=5&wait=10000ms', 'index=6&wait=300000ms'],
  },
  {
    rule: '7',
    name: 'an older answer of the leader has to be said twice as well',
    only: 'blocking-query',
    consul: { consistency: 'stale' },
    script: [
      answer(9, two),
      answer(9, two, withoutContact(20_000)),
      answer(3, one),
      answer(9, two, withoutContact(20_000)),
      answer(9, two),
    ],
    sees: ['set of 1 2', silentFor(30_000)],
    asks: ['stale=', 'stale=&index=9&wait=300000ms', '', 'stale=', '', 'stale=&index=9&wait=300000ms'],
  },
  {
    rule: '8',
    name: 'a cache whose agent is connected is believed, however long ago the last change was',
    consul: { cached: true },
    prepare: (agent) => agent.serve('orders', one),
    sees: ['set of 1', silentFor(120_000), ({ agent }) => agent.serve('orders', two), 'set of 1 2'],
  },
  {
    rule: '8',
    name: 'one that is cut off is suspect',
    only: 'blocking-query',
    consul: { cached: true },
    script: [answer(5, one, cutOff(1000)), answer(5, one, cutOff(2000)), answer(5, one, cutOff(0))],
    sees: [`set of 1; ${isCutOff}`, 'set of 1'],
    asks: [
      'cached=',
      'cached=&index=5&wait=10000ms',
      'cached=&index=5&wait=10000ms',
      'cached=&index=5&wait=300000ms',
    ],
  },
  {
    rule: '8',
    name: 'and bypassed when it has been for too long',
    only: 'blocking-query',
    consul: { cached: true },
    script: [answer(5, one, cutOff(11_000)), answer(7, two), noClusterLeader()],
    sees: [`set of 1; ${isCutOff}`, 'set of 1 2', /No cluster leader/],
    asks: ['cached=', '', 'cached=&index=7&wait=300000ms', 'cached='],
  },
  {
    rule: '8',
    name: 'a query of the leader that fails for another reason is not an outage either, but the next one is',
    only: 'blocking-query',
    consul: { cached: true },
    prepare: (agent) => {
      agent.serve('orders', one)
      agent.say(cutOff(11_000))
    },
    sees: [
      `set of 1; ${isCutOff}`,
      ({ agent }) => agent.stop(),
      /could not be reached/,
      /could not be reached/,
      ({ agent }) => {
        agent.say({})
        return agent.resume()
      },
      'set of 1',
    ],
  },
]
