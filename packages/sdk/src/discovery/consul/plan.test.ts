import { describe, expect, test } from 'vitest'
import { discoveryChain, type FakeChainOptions } from '../../testing/index.js'
import { planOf, type FailoverTarget, type PlanOptions } from './plan.js'
import type { ConsulQuestion } from './question.js'
import type { WatchTarget } from './watch.js'
import { decodeChain } from './discovery-chain.js'

const question: ConsulQuestion = {
  datacenter: undefined,
  namespace: undefined,
  partition: undefined,
  peer: undefined,
  near: undefined,
  filter: undefined,
  tags: [],
  consistency: 'default',
  cached: false,
}

interface Asked extends Omit<Partial<PlanOptions>, 'question' | 'failover'> {
  readonly question?: Partial<ConsulQuestion>
  readonly failover?: readonly FailoverTarget[]
  readonly chain?: FakeChainOptions
  readonly local?: string
}

/** The plan for `orders`, a line for each target. */
function plan({ question: asked, chain, local, ...rest }: Asked): readonly string[] {
  const options: PlanOptions = {
    failover: [],
    scheme: undefined,
    network: 'auto',
    ipFamily: undefined,
    ...rest,
    question: { ...question, ...asked },
  }
  const decoded = chain === undefined ? undefined : decodeChain(discoveryChain('orders', chain))
  const { targets, policy } = planOf('orders', options, decoded, local)
  expect(policy).toBe(decoded?.policy)
  expect(targets.map(({ read }) => read.priority)).toEqual(targets.map((_, index) => index))
  return targets.map(lineOf)
}

function lineOf({ service, question: asked, read }: WatchTarget): string {
  const { datacenter, namespace, partition, peer, filter, consistency, near, tags } = asked
  const said = { datacenter, namespace, partition, peer, filter, near, ...(tags.length > 0 ? { tags } : {}) }
  const { address, keyPrefix, onlyPassing, scheme } = read
  return [
    service,
    ...Object.entries(said)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${String(value)}`),
    ...(consistency === 'default' ? [] : [consistency]),
    ...(scheme === undefined ? [] : [scheme]),
    `${address.network}${address.ipFamily ?? ''}`,
    ...(onlyPassing ? ['passing'] : []),
    ...(keyPrefix === '' ? [] : [`keys ${keyPrefix}`]),
  ].join(' ')
}

describe('without a chain', () => {
  test.each<[string, Asked, readonly string[]]>([
    ['the service', {}, ['orders lan']],
    [
      'with all that the client says',
      {
        question: { filter: 'a', near: '_agent', tags: ['x'], consistency: 'stale' },
        scheme: 'https',
        ipFamily: 6,
      },
      ['orders filter=a near=_agent tags=x stale https lan6'],
    ],
    [
      'in another datacenter',
      { question: { datacenter: 'dc2' }, local: 'dc1' },
      ['orders datacenter=dc2 wan keys dc2:'],
    ],
    [
      'in the own one by name',
      { question: { datacenter: 'dc1' }, local: 'dc1' },
      ['orders datacenter=dc1 lan keys dc1:'],
    ],
    [
      'in one of which it is unknown whether it is the own',
      { question: { datacenter: 'dc1' } },
      ['orders datacenter=dc1 wan keys dc1:'],
    ],
    [
      'with the network that the client names',
      { question: { datacenter: 'dc2' }, network: 'lan' },
      ['orders datacenter=dc2 lan keys dc2:'],
    ],
    [
      'failover, each part that is omitted as in the first place',
      {
        question: { filter: 'a' },
        failover: [
          { datacenter: 'dc2' },
          { service: 'spare' },
          { peer: 'cloud', namespace: 'team', partition: 'east' },
        ],
      },
      [
        'orders filter=a lan',
        'orders datacenter=dc2 filter=a wan keys dc2:',
        'spare filter=a lan',
        'orders namespace=team partition=east peer=cloud filter=a wan keys cloud:',
      ],
    ],
    [
      'failover back home',
      { question: { datacenter: 'dc2' }, failover: [{ datacenter: 'dc1' }], local: 'dc1' },
      ['orders datacenter=dc2 wan keys dc2:', 'orders datacenter=dc1 lan keys dc1:'],
    ],
  ])('%s', (_, asked, lines) => {
    expect(plan(asked)).toEqual(lines)
  })
})

describe('with a chain', () => {
  const v2 = { subset: 'v2', filter: 'v == 2', onlyPassing: true }
  test.each<[string, Asked, readonly string[]]>([
    ['its subset', { chain: { target: v2 } }, ['orders filter=v == 2 lan passing']],
    [
      'its filter and that of the client',
      { question: { filter: 'a or b' }, chain: { target: v2 } },
      ['orders filter=(a or b) and (v == 2) lan passing'],
    ],
    [
      'its redirect',
      { chain: { target: { service: 'new', datacenter: 'dc2' } } },
      ['new datacenter=dc2 wan keys dc2:'],
    ],
    [
      'its failover, each with its own subset',
      {
        question: { filter: 'a' },
        chain: {
          target: v2,
          failover: [
            { datacenter: 'dc2' },
            { service: 'spare', filter: 'b', onlyPassing: true },
            { peer: 'cloud' },
          ],
        },
      },
      [
        'orders filter=(a) and (v == 2) lan passing',
        'orders datacenter=dc2 filter=a wan keys dc2:',
        'spare filter=(a) and (b) lan passing',
        'orders peer=cloud filter=a wan keys cloud:',
      ],
    ],
    [
      "the client's failover in its place",
      { failover: [{ datacenter: 'dc3' }], chain: { target: v2, failover: [{ datacenter: 'dc2' }] } },
      ['orders filter=v == 2 lan passing', 'orders datacenter=dc3 filter=v == 2 wan passing keys dc3:'],
    ],
    [
      'namespaces and partitions',
      { chain: { target: { namespace: 'team', partition: 'east' } } },
      ['orders namespace=team partition=east lan'],
    ],
    ['nothing but a timeout', { chain: { connectTimeout: '1s' } }, ['orders lan']],
  ])('%s', (_, asked, lines) => {
    expect(plan(asked)).toEqual(lines)
  })
})
