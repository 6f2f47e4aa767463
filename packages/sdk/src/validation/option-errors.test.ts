import { expect, test } from 'vitest'
import { parseOptions } from '../client-options.js'
import { deadlines } from '../deadline/deadlines.js'
import { parseDnsOptions } from '../discovery/dns/options.js'
import { fileResolver } from '../discovery/file/file-resolver.js'
import { fixedResolver } from '../discovery/fixed-resolver.js'
import { FairleadError } from '../errors.js'
import { loadReporter } from '../orca/load-reporter.js'
import { parseDrain } from '../registration/drain-options.js'
import { gracefulShutdown } from '../registration/graceful-shutdown.js'
import { parseRegistration } from '../registration/options.js'

// What is wrong with an option is said in words of ours: valibot's own ("Invalid type: Expected ...") do not tell what
// to write. So that no schema without a message gets by, each value of options that are right is replaced by wrong ones.

type Parse = (options: unknown) => unknown

const client: Parse = (options) => parseOptions('orders', options, {})
const registration: Parse = (options) => parseRegistration(options, {})
const tls = { caFile: 'a', caPath: 'a', certFile: 'a', keyFile: 'a', serverName: 'a', verify: true }
const consul = { address: 'https://a:1', token: 'a', tokenFile: 'a', bearer: false, namespace: 'a', tls }
const secret = 'x'.repeat(32)
const probe = { id: 'a', name: 'a', notes: 'a', intervalMs: 1000, timeoutMs: 1, initialStatus: 'passing' }

const clientOptions = {
  consul: {
    ...consul,
    ...{ datacenter: 'a', near: 'a', filter: 'a', tags: ['a'], consistency: 'stale', cached: false },
    ...{ maxStaleMs: 1, waitMs: 1000, maxWatches: 2, scheme: 'http', network: 'lan', ipFamily: 4 },
    ...{ failover: [{ service: 'a', datacenter: 'a' }], serverPolicy: true },
  },
  resolver: { watch: () => undefined },
  exclude: () => undefined,
  balancer: 'round_robin',
  removal: { share: 0.5, windowMs: 1, retainMs: 1, maxRetainMs: 2 },
  snapshot: { directory: 'a', maxAgeMs: 1 },
  idleMs: 1000,
  panicThreshold: 0.5,
  hashOn: [{ header: 'a', terminal: true }, { cookie: 'a' }, { queryParameter: 'a' }, { path: true }],
  sticky: { cookie: 'a', secret, maxAgeSeconds: 1, path: '/', domain: 'a', secure: true, sameSite: 'lax' },
  timeoutMs: 1,
  deadlineHeader: false,
  admission: {
    ...{ maxConcurrent: 1, queue: { max: 1, timeoutMs: 1 }, priorityHeader: 'a' },
    adaptive: { initialLimit: 1, minLimit: 1, maxLimit: 1, queueSize: 1, rttTolerance: 1 },
  },
  retry: {
    ...{ attempts: 1, statuses: [503], perTryTimeoutMs: 1, holdBytes: 1, attemptHeader: 'a' },
    ...{ budgetRatio: 0.2, budgetMinPerSecond: 1 },
  },
  hedge: { percentile: 90, minMs: 1 },
  routes: [
    {
      match: { method: ['GET'], path: '/a' },
      ...{ timeoutMs: 1, hedge: { afterMs: 1 }, idempotent: true },
      retry: { attempts: 1, statuses: [503], perTryTimeoutMs: 1, holdBytes: 1 },
    },
    { match: { method: 'GET', path: /a/ }, retry: false, hedge: false },
  ],
  pushback: { maxMs: 1 },
  stallDetection: { minSilenceMs: 50, latencyFactor: 1 },
  breaker: { volumeThreshold: 1, errorThresholdPercentage: 1, consecutiveFailures: 1, windowMs: 100 },
  outlierDetection: {
    ...{ intervalMs: 100, consecutiveGatewayFailure: 1, consecutiveLocalOriginFailure: false },
    successRateEjection: { stdevFactor: 1, minimumHosts: 2, requestVolume: 1 },
    failurePercentageEjection: { threshold: 1, minimumHosts: 2, requestVolume: 1 },
    ...{ baseEjectionTimeMs: 1, maxEjectionTimeMs: 1, maxEjectionPercent: 1 },
  },
  healthCheck: { type: 'http', path: '/', expectedStatuses: [200], intervalMs: 100, always: true },
  connections: {
    ...{ connectTimeoutMs: 1, maxPerEndpoint: 1, keepAliveMs: 1, bodyTimeoutMs: 1, protocol: 'auto' },
    ...{ maxResponseHeaderBytes: 256, pingMs: 1000, maxAgeMs: 1, maxRequests: 1, preconnect: 1, drainMs: 1 },
  },
  classify: () => undefined,
  logger: { info: () => 0, warn: () => 0, error: () => 0 },
  clock: { now: () => 0, unixTime: () => 0, setTimer: () => 0, clearTimer: () => 0 },
  random: { next: () => 0, bits: () => 0 },
}

const taken: readonly (readonly [name: string, parse: Parse, options: unknown])[] = [
  ...Object.entries(clientOptions).map(
    ([name, value]) =>
      [`createClient, ${name}`, (given: unknown) => client({ [name]: given }), value] as const,
  ),
  [
    'createClient',
    client,
    { connections: { tls: { servername: 'a', rejectUnauthorized: true, ALPNProtocols: ['a'] } } },
  ],
  ['createClient', client, { healthCheck: { type: 'tcp' } }],
  ['createClient', client, { healthCheck: { type: 'grpc', service: 'a' } }],
  ['createClient', client, { sticky: { header: 'a', secret: [secret] } }],
  [
    'register',
    registration,
    {
      ...{ name: 'a', port: 1, id: 'a', address: 'a', weights: { passing: 1, warning: 1 }, tags: ['a'] },
      ...{ meta: { a: 'b' }, taggedAddresses: { lan: { address: 'a', port: 1 } }, enableTagOverride: true },
      checks: [
        { kind: 'ttl', id: 'b', ttlMs: 3000 },
        { ...probe, kind: 'http', url: '/', method: 'GET', headers: { a: ['b'], c: 'd' }, body: '' },
        { kind: 'tcp', address: 'a:1', successBeforePassing: 1, failuresBeforeCritical: 1 },
        { kind: 'grpc', address: 'a:1', service: 'a', tls: true, tlsSkipVerify: true },
      ],
      ...{ deregisterCriticalServiceAfterMs: 60_000, consul },
      logger: { info: () => 0, warn: () => 0, error: () => 0 },
    },
  ],
  ['register', registration, { name: 'a', port: 1, check: { kind: 'ttl', ttlMs: 3000 } }],
  ['drain', parseDrain, { finish: () => undefined, deadlineMs: 1, confirmMs: 1, settleMs: 1 }],
  [
    'gracefulShutdown',
    (options) => gracefulShutdown({} as never, options as object),
    {
      registration: { drain: () => 0, deregister: () => 0 },
      signals: ['SIGTERM'],
      deadlineMs: 1,
      raise: true,
    },
  ],
  ['deadlines', (options) => deadlines(options as object), { longestMs: 1 }],
  ['loadReporter', (options) => loadReporter(options as object), { path: '/a', utilization: () => 0 }],
  [
    'dnsResolver',
    parseDnsOptions,
    { name: 'a', port: 1, scheme: 'http', servers: ['127.0.0.1'], refreshMs: 1000, minTtlMs: 100, tries: 1 },
  ],
  ['fileResolver', (options) => fileResolver(options as never), { path: 'a', pollMs: 10 }],
  [
    'fixedResolver',
    (options) => fixedResolver(options as never),
    [
      'http://a:1',
      { address: 'a', port: 2, scheme: 'http', weight: 1, priority: 1, tags: ['a'], meta: { a: 'b' } },
      {
        ...{ key: 'a', origin: 'http://a:3', addresses: ['::1'], weight: 1, priority: 0 },
        ...{ tags: ['a'], meta: { a: 'b' }, locality: {} },
      },
    ],
  ],
]

const WRONG: readonly unknown[] = [true, false, undefined, 5, 'x', Symbol('x'), {}, [], [true], [{}]]

/** A value with one of its parts wrong, for each of them. */
function* spoilt(value: unknown): Generator {
  yield* WRONG
  if (typeof value !== 'object' || value === null || value instanceof RegExp) return
  if (Array.isArray(value)) {
    for (const [index, part] of value.entries()) {
      for (const wrong of spoilt(part)) yield value.with(index, wrong)
    }
    return
  }
  yield { ...value, unheardOf: 1 }
  for (const [key, part] of Object.entries(value)) {
    for (const wrong of spoilt(part)) yield { ...value, [key]: wrong }
    yield Object.fromEntries(Object.entries(value).filter(([name]) => name !== key))
  }
}

const VALIBOTS = /\bInvalid \w+: |\bExpected /

test.each(taken)('%s has its own words for each wrong value', (_name, parse, options) => {
  const foreign = new Set<string>()
  let refused = 0
  for (const wrong of spoilt(options)) {
    try {
      parse(wrong)
    } catch (thrown) {
      refused++
      if (!(thrown instanceof FairleadError) || VALIBOTS.test(thrown.message)) foreign.add(String(thrown))
    }
  }
  expect([...foreign]).toEqual([])
  // They are right otherwise, so that it is the wrong part which is told.
  expect(() => parse(options)).not.toThrow(/^(?!server is)/)
  expect(refused).toBeGreaterThan(4)
})

test('where the branch of a union has no words of ours, those of the union hold', () => {
  const check = { kind: 'http', url: '/', headers: { a: ['b', 5] } }
  expect(() => registration({ name: 'a', port: 1, check })).toThrow(
    "check.headers.a is [ 'b', 5 ]: it must be the value of a header, or a list of them",
  )
})

test('a key that is missing is to be added where its schema has no words for it', () => {
  expect(() => fixedResolver([{ origin: 'http://a:1' } as never])).toThrow(
    /^instances\[0\]\.key is missing: add it$/,
  )
})
