import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import {
  aclNotFound,
  answer,
  healthEntry,
  hold,
  noClusterLeader,
  type FakeConsul,
} from '../../../testing/index.js'
import type { ConsulOptions } from '../options.js'
import { one, two } from './data.test.support.js'
import { explained, postponed, type Rule } from './rule.test.support.js'

/** How a question with these options reads. */
function asked(name: string, consul: ConsulOptions, query: string, environment = {}): Rule {
  return {
    rule: '11, node-consul: options dropped',
    name,
    consul,
    environment,
    script: [answer(7, one)],
    sees: ['set of 1'],
    asks: [query, `${query}${query === '' ? '' : '&'}index=7&wait=300000ms`],
  }
}

const headersOf = (agent: FakeConsul): readonly unknown[] =>
  agent.queries.map(({ headers }) => headers['x-consul-token'] ?? headers['authorization'])

/** The token that is sent, and where it never is. */
function identified(name: string, consul: ConsulOptions, header: string, environment = {}): Rule {
  return {
    rule: '12',
    name,
    consul,
    environment,
    script: [answer(7, one), answer(8, two)],
    sees: [
      'set of 1',
      'set of 1 2',
      ({ agent }) => {
        expect(headersOf(agent).slice(0, 2)).toEqual([header, header])
        expect(agent.queries.map(({ query }) => query.toString()).join()).not.toContain('secret')
      },
    ],
  }
}

const tokenFile = join(tmpdir(), `fairlead-rules-${process.pid}-token`)
const rewritten = postponed(aclNotFound())

/** Rules 11 and 12: what is asked, and as whom. */
export const questions: readonly Rule[] = [
  asked('a datacenter', { datacenter: 'dc2' }, 'dc=dc2'),
  asked('a namespace', { namespace: 'team' }, 'ns=team'),
  asked('a namespace of the environment', {}, 'ns=team', { CONSUL_NAMESPACE: 'team' }),
  asked('a partition', { partition: 'east' }, 'partition=east'),
  asked('near the agent', { near: '_agent' }, 'near=_agent'),
  asked('a filter', { filter: 'Service.Meta.v == "2"' }, 'filter=Service.Meta.v+==+"2"'),
  asked('tags, all of which must be there', { tags: ['a', 'b c'] }, 'tag=a&tag=b+c'),
  asked('stale', { consistency: 'stale' }, 'stale='),
  asked('consistent', { consistency: 'consistent' }, 'consistent='),
  asked('cached', { cached: true }, 'cached='),
  asked('stale and cached', { cached: true, consistency: 'stale' }, 'stale=&cached='),
  {
    rule: '11',
    name: 'the order of the nearest is kept, and a new order is news',
    consul: { near: '_agent' },
    prepare: (agent) =>
      agent.serve(
        'orders',
        [3, 1, 2].map((place) => healthEntry(place)),
      ),
    sees: [
      'set of 3 1 2',
      (world) =>
        world.agent.serve(
          'orders',
          [2, 1, 3].map((place) => healthEntry(place)),
        ),
      'set of 2 1 3',
    ],
  },
  {
    rule: '11',
    name: 'tags choose instances',
    consul: { tags: ['a', 'b'] },
    prepare: (agent) =>
      agent.serve('orders', [
        healthEntry(1, { service: { Tags: ['a', 'b'] } }),
        healthEntry(2, { service: { Tags: ['a'] } }),
      ]),
    sees: ['set of 1'],
  },
  {
    rule: '11',
    name: 'tags that no instance has are named, beside those that they have',
    consul: { token: 't', tags: ['v3', 'Canry'] },
    prepare: (agent) =>
      agent.serve('orders', [
        healthEntry(1, { service: { Tags: ['v1', 'canary'] } }),
        healthEntry(2, { service: { Tags: ['v2', 'canary'] } }),
      ]),
    sees: [
      'set of none',
      explained(
        'knows 2 of that name, none of them with all tags of consul.tags, which are "v3", "Canry" ' +
          '(theirs are "canary", "v1", "v2"; did you mean "v1", "canary"?): correct that, or register them so',
      ),
      (world) => world.agent.serve('orders', [healthEntry(1, { service: { Tags: ['v3', 'Canry'] } })]),
      'set of 1',
    ],
  },
  {
    rule: '11',
    name: 'so is a filter that is true for none, and tags where instances have no tag',
    consul: { token: 't', tags: ['a'], filter: 'Service.Meta.v == "2"' },
    prepare: (agent) => agent.serve('orders', one),
    sees: [
      'set of none',
      explained(
        'knows 1 of that name, none of them with all tags of consul.tags, which are "a" (they have none), ' +
          'and such that Service.Meta.v == "2" (consul.filter, or the service-resolver\'s subset): correct that, ' +
          'or register them so',
      ),
    ],
  },
  {
    rule: '11',
    name: 'where there are no instances with or without them, or the query fails, nothing is said of tags',
    consul: { token: 't', tags: ['a'] },
    script: [answer(1, []), noClusterLeader(), answer(2, one), answer(3, []), answer(3, []), hold()],
    sees: [
      'set of none',
      explained('knows no instance of that name'),
      'set of 1',
      'set of none',
      explained('knows no instance of that name'),
    ],
  },
  {
    rule: '11',
    name: 'a path before /v1, for an agent behind a proxy',
    pathPrefix: '/consul',
    prepare: (agent) => agent.on('GET /consul/v1/health/service/orders', answer(1, one)),
    sees: ['set of 1'],
  },
  identified('a token stands in its header', { token: 'secret' }, 'secret'),
  identified('or is a bearer token', { token: 'secret', bearer: true }, 'Bearer secret'),
  identified('a token of the environment', {}, 'secret', { CONSUL_HTTP_TOKEN: 'secret' }),
  identified('basic authentication for a proxy', { basicAuth: 'me:secret' }, 'Basic bWU6c2VjcmV0'),
  {
    rule: '12',
    name: 'a token file is read again when the agent refuses the token, and the query repeated at once',
    consul: { tokenFile },
    prepare: () => {
      writeFileSync(tokenFile, 'first\n')
      onTestFinished(() => rmSync(tokenFile))
    },
    script: [answer(7, one), rewritten.step, answer(9, two)],
    sees: [
      'set of 1',
      async (world) => {
        await world.pass(() => world.agent.queries.length === 2)
        writeFileSync(tokenFile, 'second\n')
        rewritten.go()
      },
      'set of 1 2',
      ({ agent }, { tookMs }) => {
        expect(headersOf(agent).slice(0, 3)).toEqual(['first', 'first', 'second'])
        expect(tookMs).toBe(0)
      },
    ],
  },
  {
    rule: '12',
    name: 'a token that is not known everywhere yet is tried again',
    consul: { token: 'new' },
    script: [aclNotFound(), aclNotFound(), answer(1, one)],
    sees: [/ACL not found/, /ACL not found/, 'set of 1'],
  },
  {
    rule: '12',
    name: 'a token file that is not there is named, and read once it is',
    consul: { tokenFile },
    script: [answer(1, one)],
    sees: [
      /^stale: AGENT could not be reached: consul\.tokenFile .*token cannot be read: ENOENT/,
      /^stale: AGENT could not be reached: consul\.tokenFile .*token cannot be read: ENOENT/,
      () => {
        writeFileSync(tokenFile, 'first')
        onTestFinished(() => rmSync(tokenFile))
      },
      'set of 1',
      ({ agent }) => expect(headersOf(agent)[0]).toBe('first'),
    ],
  },
]
