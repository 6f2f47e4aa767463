import cluster from 'node:cluster'
import { hostname } from 'node:os'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { FairleadError } from '../errors.js'
import { serviceDefinition } from './definition.js'
import { parseRegistration, type RegisterOptions } from './options.js'

const least = { name: 'orders', port: 8080 }

function definitionOf(options: RegisterOptions): unknown {
  const settings = parseRegistration(options, {})
  // What is sent: undefined is not there.
  return JSON.parse(
    JSON.stringify(
      serviceDefinition(settings, 'me', ({ check }) =>
        check.kind === 'ttl' ? 'passing' : check.initialStatus,
      ),
    ),
  )
}

test.each([
  [{ NODE_APP_INSTANCE: '7' }, '-7'],
  [{ NODE_APP_INSTANCE: '' }, '-3'],
  [{ NODE_APP_INSTANCE: ' ' }, '-3'],
  [{}, '-3'],
])('a worker with %j ends its id in %s', (environment, ending) => {
  const { worker } = cluster
  onTestFinished(() => void Object.assign(cluster, { worker }))
  Object.assign(cluster, { worker: { id: 3 } })
  expect(parseRegistration(least, environment).id).toBe(`orders-${hostname()}-8080${ending}`)
})

test('name and port are enough', () => {
  const id = `orders-${hostname()}-8080`
  expect(definitionOf(least)).toEqual({
    ID: id,
    Name: 'orders',
    Port: 8080,
    Tags: [],
    Meta: { 'fairlead-owner': 'me' },
    Weights: { Passing: 1, Warning: 1 },
    EnableTagOverride: false,
    Checks: [
      {
        CheckID: `service:${id}`,
        Name: `heartbeat of ${id}`,
        Status: 'passing',
        DeregisterCriticalServiceAfter: '600000ms',
        TTL: '15000ms',
      },
    ],
  })
})

test('everything that can be said is said in the agent’s own words', () => {
  expect(
    definitionOf({
      ...least,
      id: 'o1',
      address: '10.0.0.7',
      weights: { passing: 65_535, warning: 0 },
      tags: ['blue', 'v2'],
      meta: { zone: 'eu-1', 'a_b-C9': '' },
      taggedAddresses: { lan: { address: '10.0.0.7' }, wan: { address: 'orders.example', port: 443 } },
      enableTagOverride: true,
      deregisterCriticalServiceAfterMs: 60_000,
      checks: [
        { kind: 'ttl', ttlMs: 3000, id: 'beat', name: 'alive', notes: 'n' },
        {
          kind: 'http',
          url: '/health?full',
          method: 'HEAD',
          headers: { host: 'orders', accept: ['a', 'b'] },
          body: 'b',
          intervalMs: 2000,
          tlsSkipVerify: true,
          tlsServerName: 'orders',
          successBeforePassing: 2,
          failuresBeforeCritical: 3,
          initialStatus: 'passing',
        },
        { kind: 'http', url: 'https://127.0.0.1:9/x', timeoutMs: 500 },
        { kind: 'tcp' },
        { kind: 'grpc', service: 'orders.v1', tls: true, tlsSkipVerify: false },
        { kind: 'grpc', address: '[::1]:9090' },
      ],
    }),
  ).toEqual({
    ID: 'o1',
    Name: 'orders',
    Port: 8080,
    Address: '10.0.0.7',
    Weights: { Passing: 65_535, Warning: 0 },
    Tags: ['blue', 'v2'],
    Meta: { zone: 'eu-1', 'a_b-C9': '', 'fairlead-owner': 'me' },
    TaggedAddresses: {
      lan: { Address: '10.0.0.7', Port: 8080 },
      wan: { Address: 'orders.example', Port: 443 },
    },
    EnableTagOverride: true,
    Checks: [
      { CheckID: 'beat', Name: 'alive', Notes: 'n', Status: 'passing', TTL: '3000ms' },
      {
        CheckID: 'service:o1:2',
        Name: 'HEAD http://10.0.0.7:8080/health?full',
        Status: 'passing',
        HTTP: 'http://10.0.0.7:8080/health?full',
        Method: 'HEAD',
        Header: { host: ['orders'], accept: ['a', 'b'] },
        Body: 'b',
        Interval: '2000ms',
        Timeout: '2000ms',
        TLSSkipVerify: true,
        TLSServerName: 'orders',
        SuccessBeforePassing: 2,
        FailuresBeforeCritical: 3,
      },
      {
        CheckID: 'service:o1:3',
        Name: 'GET https://127.0.0.1:9/x',
        Status: 'critical',
        HTTP: 'https://127.0.0.1:9/x',
        Interval: '10000ms',
        Timeout: '500ms',
      },
      {
        CheckID: 'service:o1:4',
        Name: 'TCP 10.0.0.7:8080',
        Status: 'critical',
        TCP: '10.0.0.7:8080',
        Interval: '10000ms',
        Timeout: '10000ms',
      },
      {
        CheckID: 'service:o1:5',
        Name: 'gRPC 10.0.0.7:8080/orders.v1',
        Status: 'critical',
        GRPC: '10.0.0.7:8080/orders.v1',
        GRPCUseTLS: true,
        TLSSkipVerify: false,
        Interval: '10000ms',
        Timeout: '10000ms',
      },
      {
        CheckID: 'service:o1:6',
        Name: 'gRPC [::1]:9090',
        Status: 'critical',
        GRPC: '[::1]:9090',
        Interval: '10000ms',
        Timeout: '10000ms',
      },
    ].map((check) => ({ ...check, DeregisterCriticalServiceAfter: '60000ms' })),
  })
})

test('an IPv6 address is in brackets where a port follows; no check and no end are possible', () => {
  const check = { kind: 'http', url: '/' } as const
  expect(definitionOf({ ...least, address: 'fd00::1', check })).toMatchObject({
    Address: 'fd00::1',
    Checks: [{ HTTP: 'http://[fd00::1]:8080/' }],
  })
  expect(definitionOf({ ...least, checks: [] })).toMatchObject({ Checks: [] })
  const [lasting] = (
    definitionOf({ ...least, deregisterCriticalServiceAfterMs: false }) as { Checks: readonly object[] }
  ).Checks
  expect(lasting).not.toHaveProperty('DeregisterCriticalServiceAfter')
})

const pairs = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, 'v']))

describe('refused before anything is sent', () => {
  test.for<readonly [object, string | RegExp]>([
    [{ name: undefined }, 'name is undefined: it must be the name of a Consul service'],
    [{ name: 'or ders' }, "name is 'or ders': it must be the name of a Consul service: letters, digits"],
    [{ name: 'consul' }, "name is 'consul': it must be another name"],
    [{ id: 'consul' }, "id is 'consul': it must be another id"],
    [{ id: '' }, "id is '': it must be 1 to 255 characters"],
    [{ id: 'a/b' }, "id is 'a/b': it must be 1 to 255 characters, none of them a blank, a quote"],
    [
      { port: 0 },
      'port is 0: it must be the port that the server listens on, 1 to 65535, such as server.address().port',
    ],
    [{ port: 65_536 }, 'port is 65536: it must be the port'],
    [{ port: '8080' }, "port is '8080': it must be the port"],
    [
      { address: 'http://a' },
      "address is 'http://a': it must be a host name or an IP that clients can connect to",
    ],
    [{ address: '10.0.0.1:80' }, "address is '10.0.0.1:80': it must be a host name or an IP"],
    [{ address: '0.0.0.0' }, "address is '0.0.0.0': it must be"],
    [{ address: '::' }, "address is '::': it must be"],
    [{ weights: { passing: 0 } }, 'weights.passing is 0: it must be a whole number from 1 to 65535'],
    [{ weights: { warning: -1 } }, 'weights.warning is -1: it must be a whole number from 0 to 65535'],
    [{ weights: { passing: 65_536 } }, 'weights.passing is 65536'],
    [{ tags: [''] }, "tags[0] is '': it must be a tag"],
    [{ meta: pairs }, /^meta is .*: it must be an object of at most 63 pairs of text/],
    [
      { meta: { 'a b': 'c' } },
      /^meta\.a b is 'a b': it must be a key of 1 to 128 letters, digits, "-" and "_"/,
    ],
    [{ meta: { ['k'.repeat(129)]: 'c' } }, /it must be a key of 1 to 128/],
    [{ meta: { 'consul-version': '1' } }, /does not begin with consul-/],
    [{ meta: { 'fairlead-owner': 'x' } }, /does not begin with consul- or fairlead-/],
    [{ meta: { key: 'ä'.repeat(257) } }, /^meta\.key is '.*: it must be text of at most 512 bytes/],
    [{ meta: { key: 1 } }, 'meta.key is 1: it must be text of at most 512 bytes'],
    [{ taggedAddresses: { lan: { address: '::' } } }, "taggedAddresses.lan.address is '::': it must be"],
    [{ taggedAddresses: { moon: { address: 'a' } } }, 'unknown option taggedAddresses.moon'],
    [{ check: { kind: 'ttl' }, checks: [] }, /^check is .*: it must be absent where checks is given/],
    [
      { check: { kind: 'script' } },
      /^check\.kind is 'script': it must be an object with kind: "ttl", "http", "tcp" or "grpc"/,
    ],
    [
      { check: { kind: 'ttl', ttlMs: 2999 } },
      'check.ttlMs is 2999: it must be a whole number of milliseconds from 3000',
    ],
    [{ check: { kind: 'ttl', intervalMs: 1000 } }, 'unknown option check.intervalMs'],
    [{ check: { kind: 'http' } }, "check.url is '': it must be http://..., https://..., or a path"],
    [{ check: { kind: 'http', url: 'health' } }, "check.url is 'health': it must be http://"],
    [
      { check: { kind: 'http', url: '/', intervalMs: 0 } },
      'check.intervalMs is 0: it must be a whole number of milliseconds from 1000',
    ],
    [
      { check: { kind: 'tcp', timeoutMs: 0 } },
      'check.timeoutMs is 0: it must be a whole number of milliseconds from 1',
    ],
    [{ check: { kind: 'tcp', address: 'host' } }, "check.address is 'host': it must be host:port"],
    [{ check: { kind: 'tcp', initialStatus: 'fine' } }, "check.initialStatus is 'fine': it must be passing"],
    [{ checks: [{ kind: 'tcp' }, { kind: 'grpc', tls: 1 }] }, 'checks[1].tls is 1: it must be true or false'],
    [
      {
        checks: [
          { kind: 'tcp', id: 'a' },
          { kind: 'ttl', id: 'a' },
        ],
      },
      "checks[1].id is 'a': it must be an id of its own, or absent",
    ],
    [
      { deregisterCriticalServiceAfterMs: 59_999 },
      'deregisterCriticalServiceAfterMs is 59999: it must be a whole number of milliseconds from 60000',
    ],
    [{ consul: { address: 'ftp://x' } }, "consul.address is 'ftp://x': it must be http://host:port"],
    [{ wieght: 1 }, 'unknown option wieght: remove it or check its spelling'],
  ])('%o', ([options, message]) => {
    let thrown: unknown
    try {
      parseRegistration({ ...least, ...options }, {})
    } catch (error) {
      thrown = error
    }
    expect((thrown as FairleadError).code).toBe('INVALID_OPTION')
    if (typeof message === 'string') expect((thrown as FairleadError).message).toContain(message)
    else expect((thrown as FairleadError).message).toMatch(message)
  })
})

test('nothing at all is refused with what is missing first', () => {
  expect(() => parseRegistration(undefined, {})).toThrow('port is undefined: it must be the port')
  expect(() => parseRegistration({ port: 1 }, {})).toThrow('name is undefined: it must be the name of a')
})
