import { expect } from 'vitest'
import {
  aclNotFound,
  answer,
  healthCheck,
  healthEntry,
  hold,
  noClusterLeader,
} from '../../../testing/index.js'
import { one, say, times, two } from './data.test.support.js'
import { postponed, silentFor, took, type Rule } from './rule.test.support.js'

const late = postponed(answer(9, two))

/** Rules 1 to 4: when to ask, and what an answer changes. */
export const blocking: readonly Rule[] = [
  {
    rule: '1',
    name: 'the first query does not wait; the next waits for a higher index',
    script: [answer(7, one), answer(9, two)],
    sees: ['set of 1', 'set of 1 2'],
    asks: ['', 'index=7&wait=300000ms', 'index=9&wait=300000ms'],
  },
  {
    rule: '1',
    name: 'it waits as long as the client was told',
    consul: { waitMs: 5000 },
    script: [answer(7, one)],
    sees: ['set of 1'],
    asks: ['', 'index=7&wait=5000ms'],
  },
  {
    rule: '1',
    name: 'a query that ends with its time and nothing new causes no event',
    only: 'blocking-query',
    prepare: (agent) => agent.serve('orders', one),
    sees: [
      'set of 1',
      silentFor(3_000_000),
      // The first one, ten that ended, and the one that waits.
      ({ agent }) => expect(agent.queries.length).toBe(12),
      ({ agent }) => agent.serve('orders', two),
      'set of 1 2',
    ],
  },
  {
    rule: '1, 7',
    name: 'nor does one of a stream, but it is the occasion to ask the servers, which know of leaders and tokens',
    only: 'streaming',
    prepare: (agent) => agent.serve('orders', one),
    sees: [
      'set of 1',
      silentFor(3_000_000),
      // One more for each that ended.
      ({ agent }) => expect(agent.queries.length).toBe(22),
      ({ agent }) => agent.serve('orders', two),
      'set of 1 2',
    ],
  },
  {
    rule: '1, 7',
    name: 'which do so although the client asks for what is cached',
    only: 'streaming',
    consul: { cached: true, consistency: 'stale' },
    prepare: (agent) => agent.serve('orders', one),
    sees: ['set of 1', silentFor(400_000)],
    asks: [
      'stale=&cached=',
      'stale=&cached=&index=2&wait=300000ms',
      'stale=',
      'stale=&cached=&index=2&wait=300000ms',
    ],
  },
  {
    rule: '1, 7',
    name: 'a view that is empty when the wait ends, as it is made anew, is not an empty set',
    only: 'streaming',
    script: [answer(7, two), answer(7, []), answer(7, two), answer(1, []), answer(7, two), answer(8, one)],
    sees: ['set of 1 2', 'set of 1', took(0, 500)],
    asks: [
      '',
      'index=7&wait=300000ms',
      '',
      'index=7&wait=300000ms',
      '',
      'index=7&wait=300000ms',
      'index=8&wait=300000ms',
    ],
  },
  {
    rule: '1, 12, consul: a view that outlives its token',
    name: 'a token that is gone is noticed when the wait ends, at the latest',
    only: 'streaming',
    script: [answer(7, two), answer(7, two), aclNotFound(), aclNotFound(), answer(7, two)],
    sees: ['set of 1 2', /^stale: .*ACL not found/, /^stale: .*ACL not found/, 'set of 1 2'],
    asks: ['', 'index=7&wait=300000ms', '', '', '', 'index=7&wait=300000ms'],
  },
  {
    rule: '1',
    name: "an agent is waited for through wait and wait/16, its stagger, and the network's 10 s",
    script: [answer(7, one), late.step],
    sees: ['set of 1', silentFor((300_000 * 17) / 16 + 9999), late.go, 'set of 1 2'],
    asks: ['', 'index=7&wait=300000ms', 'index=9&wait=300000ms'],
  },
  {
    rule: '1',
    name: 'and is abandoned after that',
    script: [answer(7, one), hold()],
    sees: [
      'set of 1',
      /^stale: AGENT has not answered \/v1\/health\/service\/orders within 328750 ms$/,
      took(328_750, 328_750),
    ],
    asks: ['', 'index=7&wait=300000ms', ''],
  },
  {
    rule: '1',
    name: 'one that does not wait is abandoned after 10 s: more than the 7 s that servers look for a leader',
    script: [hold()],
    sees: [silentFor(9999), /^stale: .* within 10000 ms$/],
  },
  {
    rule: '1, 2',
    name: 'a query beyond the index is held to its end and answered with a lower one: then all is asked anew',
    only: 'blocking-query',
    script: [answer(50, one)],
    prepare: (agent) => agent.serve('orders', two),
    sees: ['set of 1', 'set of 1 2', took(301_000, 301_300)],
    asks: ['', 'index=50&wait=300000ms', '', 'index=2&wait=300000ms'],
  },
  {
    rule: '1, 2',
    name: 'a stream holds it as well, and what the servers say of a lower index has to be said twice',
    only: 'streaming',
    script: [answer(50, one)],
    prepare: (agent) => agent.serve('orders', two),
    sees: ['set of 1', 'set of 1 2', took(301_000, 301_500)],
    asks: ['', 'index=50&wait=300000ms', '', '', 'index=2&wait=300000ms'],
  },
  {
    rule: '2, node-consul: index backwards',
    name: 'starts from the beginning, and the new state is reported once',
    only: 'blocking-query',
    script: [answer(100, one), answer(50, two), answer(50, two)],
    sees: ['set of 1', 'set of 1 2', silentFor(30_000)],
    asks: ['', 'index=100&wait=300000ms', '', 'index=50&wait=300000ms'],
  },
  {
    rule: '2',
    name: 'an older state that is not repeated is not believed: a server that has not read its log yet',
    script: [answer(17, two), noClusterLeader(), answer(1, []), answer(17, two)],
    sees: ['set of 1 2', /^stale: .*No cluster leader/, 'set of 1 2'],
    asks: ['', 'index=17&wait=300000ms', '', '', 'index=17&wait=300000ms'],
  },
  {
    rule: '2',
    name: 'one that is repeated a second later is: the data is gone',
    only: 'blocking-query',
    script: [answer(17, two), answer(1, []), answer(1, []), answer(3, one), answer(2, two), answer(2, two)],
    sees: ['set of 1 2', 'set of none', took(1000, 1001), 'set of 1', 'set of 1 2', took(1000, 1300)],
    asks: [
      '',
      'index=17&wait=300000ms',
      '',
      'index=1&wait=300000ms',
      'index=3&wait=300000ms',
      '',
      'index=2&wait=300000ms',
    ],
  },
  {
    rule: '2',
    name: 'an agent that comes back without its data says so by a lower index',
    prepare: (agent) => {
      agent.serve('orders', one)
      agent.serve('orders', two)
    },
    sees: [
      'set of 1 2',
      // Before the next query waits there, no question is lost: the connection is found closed, and opened anew.
      (world) => world.pass(() => world.agent.held === 1, 0),
      ({ agent }) => agent.restart({ wiped: true }),
      /^stale: .* could not be reached/,
      'set of none',
      ({ agent }) => agent.serve('orders', one),
      'set of 1',
    ],
  },
  {
    rule: '2, node-consul: index 0',
    name: 'is delivered at once, and waited on as 1',
    script: [answer(0, one), answer(5, two)],
    sees: ['set of 1', 'set of 1 2'],
    asks: ['', 'index=1&wait=300000ms', 'index=5&wait=300000ms'],
  },
  {
    rule: '2',
    name: 'a missing index is not waited on, and is queried no faster than the bucket allows',
    script: [...times(30, answer(undefined, one)), answer(5, two)],
    sees: ['set of 1', 'set of 1 2', took(6250, 6500)],
    asks: [...times(31, hold()).map(() => ''), 'index=5&wait=300000ms'],
  },
  {
    rule: '2',
    name: 'an index that is not a number counts as missing',
    script: [say('[]', { 'x-consul-index': '-1' }), say('[]', { 'x-consul-index': '0x10' }), answer(5, two)],
    sees: ['set of none', 'set of 1 2'],
    asks: ['', '', '', 'index=5&wait=300000ms'],
  },
  {
    rule: '3, node-consul: unchanged body, new index',
    name: 'equal answers cause no event, whatever their order, indexes and check outputs',
    script: [
      answer(1, two),
      answer(2, two.toReversed()),
      answer(3, [
        healthEntry(1, { checks: [{ ...healthCheck('passing'), Output: 'ok', ModifyIndex: 3 }] }),
        healthEntry(2),
      ]),
      answer(4, one),
    ],
    sees: ['set of 1 2', 'set of 1'],
    asks: [
      '',
      'index=1&wait=300000ms',
      'index=2&wait=300000ms',
      'index=3&wait=300000ms',
      'index=4&wait=300000ms',
    ],
  },
  {
    rule: '3',
    name: 'one change in, one update out',
    script: Array.from({ length: 20 }, (_, index) => answer(index + 1, [healthEntry(index + 1)])),
    sees: [...Array.from({ length: 20 }, (_, index) => `set of ${index + 1}`), silentFor(30_000)],
  },
  {
    rule: '4, node-consul: answers at once, same index',
    name: 'is asked five times, and then four times a second',
    script: [...times(100, answer(5, one)), answer(6, two)],
    sees: ['set of 1', 'set of 1 2', took(24_000, 24_001)],
  },
  {
    rule: '4, node-consul: index churn',
    name: 'is asked five times, and then four times a second',
    script: [...times(50, answer(1, one)).map((_, index) => answer(index + 1, one)), answer(99, two)],
    sees: ['set of 1', 'set of 1 2', took(11_500, 11_501)],
  },
  {
    rule: '4',
    name: 'a change after a quiet time is queried at once',
    prepare: (agent) => agent.serve('orders', one),
    sees: [
      'set of 1',
      silentFor(30_000),
      ({ agent }) => agent.serve('orders', two),
      'set of 1 2',
      ({ agent }) => agent.serve('orders', one),
      'set of 1',
      took(0, 0),
    ],
  },
]
