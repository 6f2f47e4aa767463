import { addressesTranslated, answer, healthCheck, healthEntry } from '../../../testing/index.js'
import type { ConsulOptions } from '../options.js'
import { postponed, type Rule } from './rule.test.support.js'

const weights = { Weights: { Passing: 7, Warning: 3 } }
const mine = 'orders-1'
const inMaintenance = { CheckID: `_service_maintenance:${mine}`, Status: 'critical', ServiceID: mine }

/** What becomes of an instance with these checks, weights and addresses. */
function read(
  rule: string,
  name: string,
  entry: Parameters<typeof healthEntry>[1],
  event: string,
  consul: ConsulOptions = {},
  headers: Readonly<Record<string, string>> = {},
): Rule {
  return { rule, name, consul, script: [answer(1, [healthEntry(1, entry)], headers)], sees: [event] }
}

const out = (reason: string, at = '10.0.0.1:1'): string =>
  `set of none; out: node-1/orders-1@${at} (${reason})`

/** Checks that an instance has, in whatever order. */
const statuses: readonly (readonly [string, readonly object[], string])[] = [
  ['no check: passing', [], 'set of 1*7'],
  ['all pass', [healthCheck('passing'), healthCheck('passing', mine)], 'set of 1*7'],
  ['warning beats passing', [healthCheck('passing'), healthCheck('warning', mine)], 'set of 1*3'],
  ['critical beats warning', [healthCheck('warning'), healthCheck('critical', mine)], out('critical')],
  ['maintenance of the service beats critical', [healthCheck('critical'), inMaintenance], out('maintenance')],
  [
    'maintenance of the node beats critical',
    [healthCheck('maintenance'), healthCheck('critical')],
    out('maintenance'),
  ],
  [
    'a check of the node counts',
    [{ CheckID: 'serfHealth', Status: 'critical', ServiceID: '' }],
    out('critical'),
  ],
  ["another service's check does not", [healthCheck('critical', 'payments-1')], 'set of 1*7'],
  ['an unknown status is critical', [{ CheckID: 'a', Status: 'fine' }], out('critical')],
]

const tagged = (addresses: object, own = ''): object => ({
  node: { TaggedAddresses: { lan: '10.0.0.1', wan: '198.51.100.9', wan_ipv4: '198.51.100.9' } },
  service: { Address: own, TaggedAddresses: addresses },
})
const wan = tagged({ wan: { Address: '198.51.100.1', Port: 8443 } }, '10.1.1.1')
const both = tagged(
  { lan_ipv4: { Address: '10.1.1.1', Port: 80 }, lan_ipv6: { Address: 'fd00::1', Port: 80 } },
  '10.1.1.1',
)

const moved = postponed(answer(2, [healthEntry(1, { service: { Address: '10.9.9.9' } })]))

/** Rules 9 and 10: how an instance is read. */
export const reading: readonly Rule[] = [
  ...statuses.flatMap(([name, checks, event]) => [
    read('9', name, { service: weights, checks }, event),
    read('9', `${name}, in the other order`, { service: weights, checks: checks.toReversed() }, event),
  ]),
  read(
    '9',
    'no weights: 1',
    { service: { Weights: undefined }, checks: [healthCheck('warning')] },
    'set of 1',
  ),
  read(
    '9',
    'a warning may weigh 0: healthy, but last resort',
    { service: { Weights: { Passing: 5, Warning: 0 } }, checks: [healthCheck('warning')] },
    'set of 1*0',
  ),
  read('9', 'an invalid weight: 1', { service: { Weights: { Passing: 70_000 } } }, 'set of 1'),
  read(
    '10',
    'the address of the service goes before that of its node',
    { service: { Address: 'orders-1.internal' } },
    'set of http://orders-1.internal:1',
  ),
  read('10', 'IPv6 stands in brackets', { service: { Address: 'fd00::1' } }, 'set of http://[fd00::1]:1'),
  read(
    '10',
    'port 0 is reported',
    { service: { Port: 0 } },
    out('has port 0; register it with a port from 1 to 65535', '10.0.0.1:0'),
  ),
  read(
    '10',
    'a socket is reported',
    { service: { Port: 0, SocketPath: '/run/orders.sock' } },
    out('listens on socket "/run/orders.sock", where nothing can be sent from here', '10.0.0.1:0'),
  ),
  read(
    '10',
    'an invalid address is reported',
    { service: { Address: 'a/b' } },
    out('has address "a/b", which is not a host name or IP', 'a/b:1'),
  ),
  read('10', 'no address at all is reported', { node: { Address: '' } }, out('has no address', ':1')),
  read('10', 'https by meta', { service: { Meta: { scheme: 'https' } } }, 'set of https://10.0.0.1:1'),
  read(
    '10',
    "https by Spring Cloud's meta",
    { service: { Meta: { secure: 'true' } } },
    'set of https://10.0.0.1:1',
  ),
  read('10', 'https by option', {}, 'set of https://10.0.0.1:1', { scheme: 'https' }),
  read('10', 'http by option, against the meta', { service: { Meta: { scheme: 'https' } } }, 'set of 1', {
    scheme: 'http',
  }),
  read('10', 'LAN unless told otherwise', wan, 'set of http://10.1.1.1:1'),
  read('10', 'WAN with its own port', wan, 'set of http://198.51.100.1:8443', { network: 'wan' }),
  read(
    '10',
    'WAN of the node for a service that has no address of its own',
    tagged({}),
    'set of http://198.51.100.9:1',
    { network: 'wan' },
  ),
  read('10', 'which is not for one that has', tagged({}, '10.1.1.1'), 'set of http://10.1.1.1:1', {
    network: 'wan',
  }),
  read(
    '10',
    'addresses that the agent has translated are not translated again',
    wan,
    'set of http://10.1.1.1:1',
    { network: 'wan' },
    addressesTranslated,
  ),
  read(
    '10',
    'tags in lower case, as in examples of the documentation',
    tagged({ wan: { address: '198.51.100.1', port: 8443 } }, '10.1.1.1'),
    'set of http://198.51.100.1:8443',
    { network: 'wan' },
  ),
  read('10', 'IPv6 only', both, 'set of http://[fd00::1]:80', { ipFamily: 6 }),
  read('10', 'IPv4 only', both, 'set of http://10.1.1.1:80', { ipFamily: 4 }),
  read(
    '10',
    'a family that it has not is reported',
    { service: { Address: '10.1.1.1' } },
    out('has address "10.1.1.1" and none of IPv6', ':1'),
    { ipFamily: 6 },
  ),
  {
    rule: '10',
    name: 'an id is unique on its node only: two nodes may use the same',
    script: [answer(1, [healthEntry(1), healthEntry(1, { node: { Node: 'node-2', Address: '10.0.0.2' } })])],
    sees: ['set of 1 http://10.0.0.2:1'],
  },
  {
    rule: '10',
    name: 'an instance that moves is another one',
    script: [answer(1, [healthEntry(1)]), moved.step],
    sees: ['set of 1', moved.go, 'set of http://10.9.9.9:1'],
  },
  {
    rule: '10',
    name: 'one that cannot be read does not take the others along',
    script: [answer(1, [{}, { Node: null, Service: [] }, healthEntry(1)])],
    sees: [/^set of 1; out: \/@:0 \(has no node name or no service id\); out: /],
  },
]
