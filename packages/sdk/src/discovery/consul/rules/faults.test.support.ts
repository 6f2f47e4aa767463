import { expect } from 'vitest'
import {
  aclNotFound,
  answer,
  answerNonsense,
  breakOff,
  cutShort,
  hangUp,
  healthEntry,
  hold,
  noClusterLeader,
  pourForEver,
  refuse,
  tooManyRequests,
  trickle,
  type FakeConsulStep,
} from '../../../testing/index.js'
import { one, say, times, two } from './data.test.support.js'
import { comesNow, postponed, silentFor, took, type Action, type Rule } from './rule.test.support.js'

/** The client's own ManualClock begins here. */
const BEGIN_MS = Date.UTC(2030, 0, 1)

const many = Array.from({ length: 10_000 }, (_, index) =>
  healthEntry(1 + index, {
    service: { ID: String(index).padStart(5, '0') },
    node: { Meta: { text: 'a, "b" \\ [c] {d} é' } },
    checks: [{ Status: 'passing', Output: 'x'.repeat(200) }],
  }),
)

/** The failures and their pauses: between half and all of 250 ms doubled each time, 10 s at most. */
function backsOff(failures: number, message: RegExp): readonly (RegExp | Action)[] {
  return Array.from({ length: failures }, (_, failure) => {
    const ceilingMs = Math.min(10_000, 250 * 2 ** (failure - 1))
    return failure === 0 ? [message] : [message, took(ceilingMs / 2, ceilingMs)]
  }).flat()
}

const gatewayTimeout = postponed(refuse(504, 'Gateway Time-out'))
const closed = [postponed(hangUp()), postponed(hangUp())] as const

const kinds: readonly (readonly [string, FakeConsulStep, RegExp])[] = [
  ['400', refuse(400, 'Invalid index'), /answered 400 \(Invalid index\)$/],
  [
    '400 of an HTTPS port',
    refuse(400, 'Client sent an HTTP request to an HTTPS server.\n'),
    /: give its address with https:\/\/$/,
  ],
  ['403', aclNotFound(), /answered 403 \(ACL not found\): no token is sent; set CONSUL_HTTP_TOKEN/],
  ['404', refuse(404, ''), /answered 404$/],
  [
    '429',
    tooManyRequests(),
    /answered 429 .*: too many connections from this address; see limits\.http_max_conns/,
  ],
  ['500', refuse(500, 'rpc error making call: EOF'), /answered 500 \(rpc error making call: EOF\)$/],
  [
    '500 without a leader',
    noClusterLeader(),
    /answered 500 \(No cluster leader\): the agent is up, but has no leader/,
  ],
  ['502', refuse(502, 'Bad Gateway'), /answered 502 \(Bad Gateway\)$/],
  ['503', refuse(503, ''), /answered 503$/],
  ['504', refuse(504, ''), /answered 504$/],
  ['a redirect', refuse(301, '', { location: '/ui/' }), /answered 301$/],
  ['death in mid-answer', breakOff(), /ended its answer too early/],
  ['a connection closed at once', hangUp(), /could not be reached/],
  [
    'a page of some other server',
    answerNonsense(),
    /got <html>hello<\/html>\); check that this is the address of a Consul agent$/,
  ],
  ['nothing', say(''), /expected a JSON list, got nothing/],
  ['JSON that is not a list', say('{"a":1}'), /expected a JSON list, got {"a":1}/],
  ['null', say('null'), /expected a JSON list, got null/],
  ['a list that ends too soon', cutShort(1, one), /the JSON list ends too early/],
  ['a list with a broken entry', say('[{"Node":}]'), /check that this is the address of a Consul agent$/],
]

/** Rule 5: what fails, and how it goes on. */
export const faults: readonly Rule[] = [
  ...kinds.map(([kind, fault, message]): Rule => ({
    rule: '5',
    name: `goes on indefinitely after ${kind}, without waiting on an index`,
    script: [answer(7, one), ...times(12, fault), answer(7, one)],
    sees: ['set of 1', ...times(12, fault).map(() => message), 'set of 1'],
    asks: ['', 'index=7&wait=300000ms', ...times(12, fault).map(() => ''), 'index=7&wait=300000ms'],
  })),
  {
    rule: '5, node-consul: 500',
    name: 'backs off with jitter, to 10 s at most, and from the beginning after a success',
    script: [...times(12, noClusterLeader()), answer(7, one), ...times(3, noClusterLeader())],
    sees: [...backsOff(12, /No cluster leader/), 'set of 1', ...backsOff(3, /No cluster leader/)],
  },
  {
    rule: '1, 13',
    name: 'a proxy that ends a wait with its 504 is not an outage: the next wait is short of its limit',
    script: [answer(7, one), gatewayTimeout.step, answer(7, one), hold()],
    sees: ['set of 1', silentFor(60_000), gatewayTimeout.go, silentFor(50_000)],
    // 59 s and their sixteenth.
    asks: ['', 'index=7&wait=300000ms', '', 'index=7&wait=55529ms'],
  },
  {
    rule: '1, 13',
    name: 'one that closes the connection is known by doing so after the same time again',
    script: [answer(7, one), closed[0].step, answer(7, one), closed[1].step, answer(7, one), hold()],
    sees: [
      'set of 1',
      silentFor(50_000),
      closed[0].go,
      /could not be reached/,
      'set of 1',
      silentFor(49_500),
      closed[1].go,
      silentFor(40_000),
    ],
    asks: ['', 'index=7&wait=300000ms', '', 'index=7&wait=300000ms', '', 'index=7&wait=45647ms'],
  },
  {
    rule: '5',
    name: 'an equal answer after an error is reported, as it ends the outage; the next equal one is not',
    script: [answer(7, one), noClusterLeader(), answer(7, one), answer(8, one), answer(9, two)],
    sees: ['set of 1', /^stale/, 'set of 1', 'set of 1 2'],
  },
  {
    rule: '5',
    name: 'what an error says of an index or a leader counts for nothing',
    script: [
      answer(17, two),
      refuse(500, 'x', { 'x-consul-index': '1', 'x-consul-knownleader': 'false' }),
      answer(17, two),
    ],
    sees: ['set of 1 2', /^stale/, 'set of 1 2'],
  },
  {
    rule: '5',
    name: 'an agent that is stopped and comes back is found within the backoff',
    prepare: (agent) => agent.serve('orders', one),
    sees: [
      'set of 1',
      ({ agent }) => agent.stop(),
      /could not be reached/,
      /could not be reached: .*ECONNREFUSED/,
      ({ agent }) => agent.resume(),
      'set of 1',
      took(0, 1000),
    ],
  },
  {
    rule: '5, node-consul: 429, Retry-After ignored',
    name: 'Retry-After in seconds is kept',
    script: [tooManyRequests(90), answer(1, one)],
    sees: [/429/, 'set of 1', took(90_000, 90_000)],
  },
  {
    rule: '5, node-consul: 429, Retry-After ignored',
    name: 'Retry-After as a date is kept',
    script: [refuse(503, '', { 'retry-after': new Date(BEGIN_MS + 42_000).toUTCString() }), answer(1, one)],
    sees: [/503/, 'set of 1', took(42_000, 42_000)],
  },
  {
    rule: '5',
    name: 'Retry-After is believed for five minutes at most',
    script: [tooManyRequests(1e9), answer(1, one)],
    sees: [/429/, 'set of 1', took(300_000, 300_000)],
  },
  {
    rule: '5',
    name: 'a Retry-After that is over, or no time at all, leaves the backoff',
    script: [
      refuse(503, '', { 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' }),
      refuse(503, '', { 'retry-after': 'soon' }),
      answer(1, one),
    ],
    sees: [/503/, /503/, took(125, 250), 'set of 1', took(250, 500)],
  },
  {
    rule: '5, node-consul: agent dies mid-body',
    name: 'is seen at once, and asked again at once the first time, without an index',
    script: [answer(7, one), breakOff(), breakOff(), answer(8, two)],
    sees: [
      'set of 1',
      comesNow(/ended its answer too early/),
      comesNow(/ended its answer too early/),
      'set of 1 2',
      took(250, 500),
    ],
    asks: ['', 'index=7&wait=300000ms', '', '', 'index=8&wait=300000ms'],
  },
  {
    rule: '5',
    name: 'a body that trickles is abandoned after 30 s',
    script: [trickle(), answer(1, one)],
    sees: [
      /^stale: AGENT has not ended its answer within 30000 ms$/,
      ({ clock }) => expect(clock.now()).toBe(30_000),
      'set of 1',
    ],
  },
  {
    rule: '5',
    name: 'an endless body is aborted',
    script: [pourForEver(), answer(1, one)],
    sees: [comesNow(/gave an answer longer than 67108864 bytes/), 'set of 1'],
  },
  {
    rule: '5',
    name: 'an endless explanation of an error keeps its status',
    script: [
      (_, response) => {
        response.writeHead(429, { 'retry-after': '77' })
        response.write('x'.repeat(100_000))
      },
      answer(1, one),
    ],
    sees: [comesNow(/answered 429 \(x{200}\)/), 'set of 1', took(77_000, 77_000)],
  },
  {
    rule: '5',
    name: 'an explanation that is cut off keeps its status',
    script: [
      (_, response) => {
        response.writeHead(503, { 'content-length': '1000', 'retry-after': '77' })
        response.write('no time', () => response.destroy())
      },
      answer(1, one),
    ],
    sees: [/answered 503 \(no time\)/, 'set of 1', took(77_000, 77_000)],
  },
  {
    rule: '5',
    name: 'an explanation that hangs keeps its status',
    script: [
      (_, response) => {
        response.writeHead(503)
        response.write('no time')
      },
      answer(1, one),
    ],
    sees: [/answered 503 \(no time\)/, ({ clock }) => expect(clock.now()).toBe(30_000), 'set of 1'],
  },
  {
    rule: '5',
    name: '10,000 instances are read, and read as equal',
    script: [answer(1, many), answer(2, many), answer(3, one)],
    sees: ['set of 1 2 3 4 5 6 7 8 9 10 and 9990 more', 'set of 1'],
  },
  {
    rule: '5, node-consul: end() aborts the socket, no stray event',
    name: 'a watch that ends while its query is held lets go of it',
    script: [answer(1, one), hold()],
    sees: ['set of 1', silentFor(1000), ({ agent }) => expect(agent.pending).toBe(1)],
  },
]
