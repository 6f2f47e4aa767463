import { describe, expect, test } from 'vitest'
import { maglev } from './balance/keyed/maglev.js'
import { roundRobin } from './balance/policies/round-robin.js'
import { slowStart } from './balance/layers/slow-start.js'
import { FairleadError } from './errors.js'
import { parseOptions, type Settings } from './client-options.js'

const parse = (options: unknown, environment: Record<string, string> = {}): Settings =>
  parseOptions('orders', options, environment)

test('every option has a default', () => {
  expect(parse({})).toMatchObject({
    service: 'orders',
    consul: {
      agent: { address: 'http://127.0.0.1:8500', pathPrefix: '', token: undefined, bearer: false },
      waitMs: 300_000,
      maxStaleMs: 10_000,
      maxWatches: 128,
      serverPolicy: true,
      failover: [],
    },
    removal: { share: 0.5, windowMs: 10_000, retainMs: 60_000, maxRetainMs: 600_000 },
    snapshot: undefined,
    idleMs: 600_000,
    timeoutMs: 30_000,
    retry: { attempts: 2, budgetRatio: 0.2, budgetMinPerSecond: 10 },
    breaker: {
      volumeThreshold: 20,
      errorThresholdPercentage: 50,
      consecutiveFailures: 5,
      windowMs: 10_000,
      resetMs: 5000,
      maxResetMs: 60_000,
    },
    outlierDetection: {
      intervalMs: 10_000,
      consecutiveGatewayFailure: 5,
      consecutiveLocalOriginFailure: 5,
      successRateEjection: { stdevFactor: 1.9, minimumHosts: 5, requestVolume: 100 },
      failurePercentageEjection: { threshold: 85, minimumHosts: 5, requestVolume: 50 },
      baseEjectionTimeMs: 30_000,
      maxEjectionTimeMs: 300_000,
      maxEjectionTimeJitterMs: 5000,
      maxEjectionPercent: 50,
    },
    connections: {
      connectTimeoutMs: 1000,
      maxPerEndpoint: undefined,
      keepAliveMs: 4000,
      bodyTimeoutMs: 300_000,
      maxResponseHeaderBytes: undefined,
      protocol: 'http1',
      pingMs: undefined,
      maxAgeMs: undefined,
      maxRequests: undefined,
      preconnect: 0,
      drainMs: 300_000,
    },
    healthCheck: undefined,
  })
})

describe('health checks', () => {
  const timing = {
    intervalMs: 10_000,
    intervalJitterPercent: 10,
    timeoutMs: 1000,
    unhealthyThreshold: 3,
    healthyThreshold: 2,
    always: false,
  }

  test.each([
    [
      { type: 'http', path: '/health?deep=1' },
      { type: 'http', path: '/health?deep=1', expectedStatuses: [200] },
    ],
    [{ type: 'tcp' }, { type: 'tcp' }],
    [{ type: 'grpc' }, { type: 'grpc', service: '' }],
    [
      { type: 'grpc', service: 'orders.v1.Orders' },
      { type: 'grpc', service: 'orders.v1.Orders' },
    ],
  ])('%j has defaults', (healthCheck, settings) => {
    expect(parse({ healthCheck }).healthCheck).toEqual({ ...timing, ...settings })
  })

  test.each([
    [true, "healthCheck is true: it must be an object with type: 'http', 'tcp' or 'grpc'"],
    [{}, /^healthCheck\.type is undefined: it must be .*'http', 'tcp' or 'grpc'$/],
    [{ type: 'ttl' }, /^healthCheck\.type is 'ttl': it must be .*'http', 'tcp' or 'grpc'$/],
    [{ type: 'http' }, 'healthCheck.path is missing: it must be a path that begins with /, such as /health'],
    [{ type: 'http', path: 'health' }, "healthCheck.path is 'health': it must be a path that begins with /"],
    [{ type: 'http', path: '/a b' }, "healthCheck.path is '/a b': it must be a path that begins with /"],
    [
      { type: 'http', path: '/', expectedStatuses: [] },
      'healthCheck.expectedStatuses is []: it must be a list of statuses, such as [200, 204]',
    ],
    [
      { type: 'http', path: '/', expectedStatuses: [100] },
      'healthCheck.expectedStatuses[0] is 100: it must be a whole number from 200 to 599',
    ],
    [{ type: 'tcp', path: '/' }, 'unknown option healthCheck.path: remove it or check its spelling'],
    [{ type: 'tcp', interval: 5 }, 'did you mean intervalMs?'],
    [{ type: 'tcp', intervalMs: 99 }, 'it must be a whole number of milliseconds from 100 to 86400000'],
    [{ type: 'tcp', intervalJitterPercent: 101 }, 'it must be a number of percent from 0 to 100'],
    [{ type: 'tcp', unhealthyThreshold: 0 }, 'it must be a whole number from 1 to 1000'],
    [{ type: 'tcp', always: 'yes' }, 'it must be true or false'],
    [{ type: 'grpc', service: 'a b' }, 'it must be the name of a gRPC service, such as orders.v1.Orders'],
  ])('%j is refused', (healthCheck, message) => {
    expect(() => parse({ healthCheck })).toThrow(message)
  })
})

test('a balancer goes by name or by function', () => {
  expect(parse({ balancer: 'round_robin' }).balancer).toBe(roundRobin)
  expect(parse({ balancer: roundRobin }).balancer).toBe(roundRobin)
})

test('what to hash by is taken in the terms of Consul', () => {
  const hashOn = [
    { header: 'X-User', terminal: true },
    { cookie: 'sid' },
    { queryParameter: 'user id' },
    { path: true },
    { header: ':path' },
    { pathname: true },
    { sourceIp: true, terminal: true },
  ]
  expect(parse({ hashOn }).hashOn).toEqual([
    { field: 'header', name: 'X-User', terminal: true },
    { field: 'cookie', name: 'sid', terminal: false },
    { field: 'query_parameter', name: 'user id', terminal: false },
    { field: 'header', name: ':path', terminal: false },
    { field: 'header', name: ':path', terminal: false },
    { field: 'pathname', name: '', terminal: false },
    { field: 'source_ip', name: '', terminal: true },
  ])
})

test('retries, circuits and ejections can be switched off', () => {
  expect(parse({ retry: false, breaker: false, outlierDetection: false })).toMatchObject({
    retry: { attempts: 1 },
    breaker: false,
    outlierDetection: false,
  })
})

test('each reason to eject can be switched off by itself, as can failures in a row of a circuit', () => {
  const outlierDetection = {
    consecutiveGatewayFailure: false,
    consecutiveLocalOriginFailure: false,
    successRateEjection: false,
    failurePercentageEjection: false,
  } as const
  const parsed = parse({ outlierDetection, breaker: { consecutiveFailures: false } })
  expect(parsed.outlierDetection).toMatchObject({ ...outlierDetection, intervalMs: 10_000 })
  expect(parsed.breaker).toMatchObject({ consecutiveFailures: false, volumeThreshold: 20 })
})

describe('Consul', () => {
  test.each([
    [{}, { CONSUL_HTTP_ADDR: '10.0.0.1:8501' }, 'http://10.0.0.1:8501'],
    [{}, { CONSUL_HTTP_ADDR: 'https://consul:8501' }, 'https://consul:8501'],
    [{}, { CONSUL_HTTP_ADDR: 'consul:8501', CONSUL_HTTP_SSL: 'true' }, 'https://consul:8501'],
    [{}, { CONSUL_HTTP_ADDR: 'http://consul:8501', CONSUL_HTTP_SSL: 'true' }, 'https://consul:8501'],
    [{}, { CONSUL_HTTP_ADDR: 'http://consul:8501', CONSUL_HTTP_SSL: 'false' }, 'http://consul:8501'],
    [{}, { CONSUL_HTTP_SSL: 'true' }, 'https://127.0.0.1:8500'],
    [{}, { CONSUL_HTTP_ADDR: '' }, 'http://127.0.0.1:8500'],
    [{ address: 'other:1' }, { CONSUL_HTTP_ADDR: '10.0.0.1:8501' }, 'http://other:1'],
    [{ address: 'other:1' }, { CONSUL_HTTP_SSL: 'true' }, 'https://other:1'],
    [{ address: 'http://other:1' }, { CONSUL_HTTP_SSL: 'true' }, 'http://other:1'],
    [{ address: 'http://[::1]:8500/' }, {}, 'http://[::1]:8500'],
  ])('%j with %j is at %s', (consul, environment, address) => {
    expect(parse({ consul }, environment).consul.agent.address).toBe(address)
  })

  test('the token of the options goes before that of the environment', () => {
    const environment = { CONSUL_HTTP_TOKEN: 'from-environment' }
    expect(parse({}, environment).consul.agent.token).toBe('from-environment')
    expect(parse({ consul: { token: 'given' } }, environment).consul.agent.token).toBe('given')
  })

  test('a token is trimmed, and one that no header can carry is refused and not shown', () => {
    expect(parse({}, { CONSUL_HTTP_TOKEN: 'a\n' }).consul.agent.token).toBe('a')
    expect(parse({ consul: { token: ' a\n' } }).consul.agent.token).toBe('a')
    const text = /is text of 7 characters: it must be a token: visible ASCII without blanks$/
    expect(() => parse({ consul: { token: 'sec\nret' } })).toThrow(text)
    expect(() => parse({}, { CONSUL_HTTP_TOKEN: 'sec\nret' })).toThrow(text)
  })

  test.each(['', ' '])('%j in any variable is as if it were not set', (blank) => {
    const asked = new Set<string>()
    const recording = new Proxy<Record<string, string>>(
      {},
      { get: (_, name) => void asked.add(String(name)) },
    )
    const settings = parse({}, recording)
    expect(asked.size).toBeGreaterThan(10)
    expect(parse({}, Object.fromEntries([...asked].map((name) => [name, blank])))).toEqual(settings)
  })

  test('a bad address in the environment is called by its name', () => {
    expect(() => parse({}, { CONSUL_HTTP_ADDR: 'ftp://x' })).toThrow(
      "environment variable CONSUL_HTTP_ADDR is 'ftp://x': it must be http://host:port, https://host:port, host:port or unix:///path",
    )
  })

  test.each<[object, Record<string, string>, object]>([
    [{}, { CONSUL_HTTP_ADDR: 'unix:///run/consul.sock' }, { address: 'unix:///run/consul.sock' }],
    [{ address: 'http://proxy:80/consul/' }, {}, { address: 'http://proxy', pathPrefix: '/consul' }],
    [{ address: 'consul:8501', tls: {} }, {}, { address: 'https://consul:8501' }],
    [{}, { CONSUL_HTTP_TOKEN_FILE: '/t', CONSUL_HTTP_TOKEN: 'x' }, { tokenFile: '/t', token: 'x' }],
    [{ token: 'given' }, { CONSUL_HTTP_TOKEN_FILE: '/t' }, { token: 'given', tokenFile: undefined }],
    [{ tokenFile: '/given' }, { CONSUL_HTTP_TOKEN: 'x' }, { token: undefined, tokenFile: '/given' }],
    [{}, { CONSUL_HTTP_AUTH: 'u:p' }, { basicAuth: 'u:p' }],
    [{}, { CONSUL_HTTP_AUTH: 'u' }, { basicAuth: 'u:' }],
    [{}, { CONSUL_NAMESPACE: 'n', CONSUL_PARTITION: 'p' }, { namespace: 'n', partition: 'p' }],
    [
      {},
      {
        CONSUL_HTTP_ADDR: 'consul:8501',
        CONSUL_HTTP_SSL: '1',
        CONSUL_HTTP_SSL_VERIFY: 'false',
        CONSUL_CACERT: '/ca',
        CONSUL_CAPATH: '/cas',
        CONSUL_CLIENT_CERT: '/cert',
        CONSUL_CLIENT_KEY: '/key',
        CONSUL_TLS_SERVER_NAME: 'server.dc1.consul:8501',
      },
      {
        address: 'https://consul:8501',
        tls: {
          caFile: '/ca',
          caPath: '/cas',
          certFile: '/cert',
          keyFile: '/key',
          serverName: 'server.dc1.consul',
          verify: false,
        },
      },
    ],
  ])('%j with %j', (consul, environment, agent) => {
    expect(parse({ consul }, environment).consul.agent).toMatchObject(agent)
  })

  test.each<[object, Record<string, string>, string]>([
    [
      {},
      { CONSUL_HTTP_SSL: 'maybe', CONSUL_HTTP_ADDR: 'a' },
      "variable CONSUL_HTTP_SSL is 'maybe': it must be true or false",
    ],
    [{}, { CONSUL_CLIENT_CERT: '/c' }, 'consul.tls.keyFile is undefined: it must be given as well'],
    [{ tls: { keyFile: '/k' } }, {}, 'consul.tls.certFile is undefined: it must be given as well'],
    [
      { address: 'http://a:1', tls: {} },
      {},
      "consul.address is 'http://a:1': it must be https:// where consul.tls",
    ],
    [
      { address: 'unix:///run/consul.sock', tls: {} },
      {},
      "consul.address is 'unix:///run/consul.sock': it must be https:// where consul.tls",
    ],
    [{ address: 'http://u:p@a:1' }, {}, 'a user goes into consul.basicAuth'],
    [{ bearer: true, basicAuth: 'u:p' }, {}, 'consul.bearer is true: it must be false with basicAuth'],
    [
      { cached: true, consistency: 'consistent' },
      {},
      'consul.cached is true: it must be false with consistency',
    ],
    [{ tags: 'v2' }, {}, "consul.tags is 'v2': it must be a list of tags"],
    [
      { consistency: 'strong' },
      {},
      "consul.consistency is 'strong': it must be default, stale or consistent",
    ],
    [{ failover: [{ dc: 'dc2' }] }, {}, 'unknown option consul.failover[0].dc'],
    [{ ipFamily: 5 }, {}, 'consul.ipFamily is 5: it must be 4 or 6'],
  ])('%j with %j is refused', (consul, environment, message) => {
    expect(() => parse({ consul }, environment)).toThrow(message)
  })
})

test.each<[unknown, string | RegExp]>([
  [3, 'options is 3: it must be an object of options'],
  [{ balncer: 1 }, 'unknown option balncer: remove it or check its spelling (did you mean balancer?)'],
  [
    { retry: { atempts: 1 } },
    'unknown option retry.atempts: remove it or check its spelling (did you mean attempts?)',
  ],
  [
    { timeoutMs: '1s' },
    "timeoutMs is '1s': it must be a whole number of milliseconds from 1 to 86400000, or Infinity",
  ],
  [{ timeoutMs: 0 }, 'timeoutMs is 0: it must be a whole number of milliseconds from 1 to 86400000'],
  [{ retry: { statuses: [200] } }, 'retry.statuses[0] is 200: it must be a whole number from 400 to 599'],
  [{ retry: { statuses: 503 } }, 'retry.statuses is 503: it must be an array of statuses from 400 to 599'],
  [
    { retry: { perTryTimeoutMs: 0 } },
    'retry.perTryTimeoutMs is 0: it must be a whole number of milliseconds from 1 to 86400000, or Infinity',
  ],
  [{ retry: { holdBytes: -1 } }, 'retry.holdBytes is -1: it must be a whole number from 0 to 16777216'],
  [
    { retry: { attemptHeader: 'Content-Length' } },
    "retry.attemptHeader is 'Content-Length': it must be the name of a header that means nothing else",
  ],
  [{ retry: { attemptHeader: 'x y' } }, "retry.attemptHeader is 'x y': it must be the name of a header"],
  [{ hedge: true }, 'hedge is true: it must be false or an object of options'],
  [
    { hedge: { percentile: 0.95 } },
    'hedge.percentile is 0.95: it must be a number of percent from 50 to 99.9',
  ],
  [{ hedge: { afterMs: 5, percentile: 90 } }, 'either { afterMs } or { percentile, minMs }'],
  [{ pushback: { maxMs: 0 } }, 'pushback.maxMs is 0: it must be a whole number of milliseconds'],
  [{ stallDetection: { minSilenceMs: 10 } }, 'stallDetection.minSilenceMs is 10: it must be'],
  [
    { stallDetection: { latencyFactor: 0.5 } },
    'stallDetection.latencyFactor is 0.5: it must be a number from 1',
  ],
  [
    { deadlineHeader: 'grpc-timeouts' },
    "deadlineHeader is 'grpc-timeouts': it must be 'x-envoy-expected-rq-timeout-ms', 'grpc-timeout' or false",
  ],
  [
    { deadlineHeader: true },
    "deadlineHeader is true: it must be 'x-envoy-expected-rq-timeout-ms', 'grpc-timeout' or false",
  ],
  [{ timeoutMs: NaN }, 'timeoutMs is NaN: it must be a whole number of milliseconds'],
  [
    { balancer: 'fastest' },
    "balancer is 'fastest': it must be one of peak_ewma, least_request, least_connections,",
  ],
  [{ hashOn: 'x-user' }, "hashOn is 'x-user': it must be an array of what to hash by"],
  [{ hashOn: ['x-user'] }, 'hashOn[0] is \'x-user\': it must be an object such as { header: "x-user" }'],
  [{ hashOn: [{}] }, 'hashOn[0] is {}: it must be exactly one of { header }, { cookie }'],
  [
    { hashOn: [{ path: true }, { header: 'a', cookie: 'b' }] },
    "hashOn[1] is { header: 'a', cookie: 'b' }: it must be exactly one of",
  ],
  [
    { hashOn: [{ headers: 'x' }] },
    'unknown option hashOn[0].headers: remove it or check its spelling (did you mean header?)',
  ],
  [{ hashOn: [{ header: 'x user' }] }, "hashOn[0].header is 'x user': it must be a name without spaces"],
  [{ hashOn: [{ cookie: '' }] }, "hashOn[0].cookie is '': it must be a name without spaces"],
  [
    { hashOn: [{ queryParameter: '' }] },
    "hashOn[0].queryParameter is '': it must be a name that is not empty",
  ],
  [
    { hashOn: [{ path: true, pathname: true }] },
    'hashOn[0] is { path: true, pathname: true }: it must be exactly',
  ],
  [
    { hashOn: [{ cookie: 'a', sourceIp: true }] },
    "hashOn[0] is { cookie: 'a', sourceIp: true }: it must be exactly",
  ],
  [{ hashOn: [{ sourceIp: '10.0.0.7' }] }, "hashOn[0].sourceIp is '10.0.0.7': it must be true, or left out"],
  [{ hashOn: [{ pathname: '/' }] }, "hashOn[0].pathname is '/': it must be true, or left out"],
  [{ hashOn: [{ path: false }] }, 'hashOn[0].path is false: it must be true, or left out'],
  [{ hashOn: [{ path: true, terminal: 1 }] }, 'hashOn[0].terminal is 1: it must be true or false'],
  [
    { balancer: maglev },
    'balancer is [Function: maglev]: it must be a function that makes a picker; maglev is called to get one: maglev()',
  ],
  [{ balancer: slowStart }, 'slowStart is called to get one: slowStart()'],
  [{ balancer: slowStart() }, 'a layer, such as slowStart(), is put before a policy by compose()'],
  [{ balancer: () => ({}) }, 'it must be a function that makes a picker'],
  [{ balancer: 'magelv' }, /^balancer is 'magelv': it must be one of .*\(did you mean maglev\?\)$/],
  [{ balancer: 7 }, 'balancer is 7: it must be one of peak_ewma'],
  [
    { breaker: { errorThresholdPercentage: 0.5 } },
    'breaker.errorThresholdPercentage is 0.5: it must be a number of percent, 0 or from 1 to 100, such as 50 for one half',
  ],
  [
    { connections: { tls: { rejectUnauthorised: false } } },
    'remove rejectUnauthorised or check its spelling (did you mean rejectUnauthorized?)',
  ],
  [{ connections: { tls: { caFile: 'ca.pem' } } }, 'remove caFile or check its spelling'],
  [{ connections: { tls: { cert: 'no certificate' } } }, 'it must be what tls.createSecureContext takes ('],
  [{ connections: { tls: 'ca.pem' } }, "connections.tls is 'ca.pem': it must be an object of TLS options"],
  [
    { connections: { keepAlive: 1 } },
    'unknown option connections.keepAlive: remove it or check its spelling (did you mean keepAliveMs?)',
  ],
  [{ retry: true }, 'retry is true: it must be false or an object of options'],
  [{ retry: { attempts: 0 } }, 'retry.attempts is 0: it must be a whole number from 1 to 10'],
  [{ retry: { budgetRatio: 2 } }, 'retry.budgetRatio is 2: it must be a number from 0 to 1'],
  [
    { breaker: { windowMs: 1.5 } },
    'breaker.windowMs is 1.5: it must be a whole number of milliseconds from 100 to',
  ],
  [
    { breaker: { consecutiveFailures: 0 } },
    'breaker.consecutiveFailures is 0: it must be a whole number from 1 to 1000000, or false',
  ],
  [{ outlierDetection: true }, 'outlierDetection is true: it must be false or an object of options'],
  [
    { outlierDetection: { baseEjectionTime: 1 } },
    'unknown option outlierDetection.baseEjectionTime: remove it or check its spelling (did you mean baseEjectionTimeMs?)',
  ],
  [
    { outlierDetection: { maxEjectionPercent: 0 } },
    'outlierDetection.maxEjectionPercent is 0: it must be a number of percent from 1 to 100, such as 50 for one half',
  ],
  [
    { outlierDetection: { successRateEjection: { stdevFactor: 1900 } } },
    'outlierDetection.successRateEjection.stdevFactor is 1900: it must be a number of standard deviations from 0.1 to 10, such as 1.9 (Envoy writes 1900)',
  ],
  [
    { outlierDetection: { failurePercentageEjection: { threshold: 0.85 } } },
    'outlierDetection.failurePercentageEjection.threshold is 0.85: it must be a number of percent from 1 to 100, such as 50 for one half',
  ],
  [
    { outlierDetection: { consecutiveGatewayFailure: 1.5 } },
    'outlierDetection.consecutiveGatewayFailure is 1.5: it must be a whole number from 1 to 1000000, or false',
  ],
  [{ consul: { address: 'http://a/b?c' } }, "consul.address is 'http://a/b?c': it must be http://host:port"],
  [{ removal: { share: 2 } }, 'removal.share is 2: it must be a number from 0 to 1'],
  [{ snapshot: { directory: '' } }, "snapshot.directory is '': it must be the path of a folder"],
  [{ snapshot: {} }, 'snapshot.directory is missing: it must be the path of a folder'],
  [
    { sticky: { cookie: 'a' } },
    'sticky.secret is missing: it must be text of 32 characters or more, or several such in an array',
  ],
  [{ retries: 2 }, 'unknown option retries: remove it or check its spelling (did you mean retry?)'],
  ...[-0, 1.5, 1e300, 0, -1, NaN, -Infinity].map((timeoutMs): [unknown, RegExp] => [
    { timeoutMs },
    /^timeoutMs is \S+: it must be a whole number of milliseconds from 1 to 86400000, or Infinity$/,
  ]),
  ...[-0, 1000.5, 1e300].map((idleMs): [unknown, RegExp] => [
    { idleMs },
    /^idleMs is \S+: it must be a whole number of milliseconds from 1000 to 86400000, or Infinity$/,
  ]),
  [{ idleMs: 5 }, 'idleMs is 5: it must be a whole number of milliseconds from 1000 to 86400000'],
  [{ consul: { address: 1 } }, 'consul.address is 1: it must be a string such as "http://127.0.0.1:8500"'],
  [
    { consul: { waitMs: 10 } },
    'consul.waitMs is 10: it must be a whole number of milliseconds from 1000 to 600000',
  ],
  [
    { connections: { maxPerEndpoint: 0 } },
    'connections.maxPerEndpoint is 0: it must be a whole number from 1 to 65535',
  ],
  [{ logger: {} }, 'logger is {}: it must be a logger with info, warn and error, such as pino()'],
  [{ resolver: {} }, 'resolver is {}: it must be a resolver, an object with watch(service, signal)'],
  [{ clock: 1 }, 'clock is 1: it must be a clock with now, unixTime, setTimer and clearTimer'],
])('%j is refused', (options, message) => {
  expect(() => parse(options)).toThrow(FairleadError)
  expect(() => parse(options)).toThrow(message)
})

describe('what holds no options', () => {
  const others: readonly unknown[] = [
    ...[[], [['timeoutMs', 5]], new Map([['timeoutMs', 5]]), new Set(), new WeakMap(), new Date(), /x/],
    ...[Promise.resolve({}), new Error('x'), new URL('http://a'), new URLSearchParams('timeoutMs=5')],
    ...[Buffer.from('x'), new ArrayBuffer(1), new Number(5), [].values()],
  ]
  test.each(others)('%s is refused wherever options go', (other) => {
    expect(() => parse(other)).toThrow(/^options is .*: it must be an object of options$/s)
    for (const name of ['retry', 'breaker', 'outlierDetection', 'removal'])
      expect(() => parse({ [name]: other })).toThrow(/: it must be false or an object of options$/)
    for (const name of ['consul', 'connections', 'snapshot'])
      expect(() => parse({ [name]: other })).toThrow(/: it must be an object of options$/)
    expect(() => parse({ connections: { tls: other } })).toThrow(/^connections\.tls is .*: it must be/s)
    expect(() => parse({ hashOn: [other] })).toThrow(/^hashOn\[0\] is .*: it must be an object such as/s)
    expect(() => parse({ sticky: other })).toThrow(/^sticky is .*: it must be an object such as/)
  })

  test('instances of classes do, and objects without a prototype, frozen ones and Proxies', () => {
    class Options {
      timeoutMs = 5
    }
    class Computed {
      get timeoutMs(): number {
        return 5
      }
    }
    const bare: unknown = Object.assign(Object.create(null) as object, { timeoutMs: 5 })
    for (const options of [new Options(), new Computed(), bare, Object.freeze({ timeoutMs: 5 })]) {
      expect(parse(options).timeoutMs).toBe(5)
      expect(parse(new Proxy(options as object, {})).timeoutMs).toBe(5)
    }
  })
})

test('options that throw when they are read are named, with what they threw', () => {
  const thrown = new Error('no secret at hand')
  const failing = (name: string): object =>
    Object.defineProperty({}, name, {
      enumerable: true,
      get: () => {
        throw thrown
      },
    })
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [failing('timeoutMs'), /^timeoutMs cannot be read: no secret at hand$/],
    [{ retry: failing('attempts') }, /^retry\.attempts cannot be read: no secret at hand$/],
    [{ connections: { tls: failing('key') } }, /^connections\.tls\.key cannot be read: no secret at hand$/],
    [revoked.proxy, /^options cannot be read: /],
    [{ retry: revoked.proxy }, /^retry cannot be read: /],
  ]
  for (const [options, message] of cases) {
    expect(() => parse(options)).toThrow(FairleadError)
    expect(() => parse(options)).toThrow(message)
  }
  expect(() => parse(failing('timeoutMs'))).toThrow(expect.objectContaining({ cause: thrown }) as Error)
})

test('a value that cannot even be shown is refused by its type', () => {
  const value = {
    [Symbol.for('nodejs.util.inspect.custom')]() {
      throw new Error('not to be seen')
    },
  }
  expect(() => parse({ timeoutMs: value })).toThrow('timeoutMs is of type object: it must be a whole number')
})

test('no message shows a secret', () => {
  const secret = 'do-not-log-me'
  for (const options of [
    { consul: { token: 5, basicAuth: secret } },
    { consul: { basicAuth: secret } },
    { consul: new Map([['token', secret]]) },
    { connections: { tls: { passphrase: secret, cert: 'no certificate' } } },
    { connections: { tls: { key: secret } } },
    { connections: { tls: { session: secret } } },
    { connections: { tls: new Map([['passphrase', secret]]) } },
  ]) {
    let message = secret
    try {
      parse(options)
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).not.toContain(secret)
  }
})

test.each(['', ' ', 'a b', 'a/b', '-a', 'a-', 'a'.repeat(254), 'ä', undefined, null, 3, {}])(
  'service %j is refused',
  (service) => {
    expect(() => parseOptions(service, {}, {})).toThrow(
      /^service is .*: it must be the name of a Consul service/,
    )
  },
)

test.each(['a', 'orders', 'Orders', 'orders-v2', 'my_service', 'a.b', '1'])(
  'service %j is taken',
  (service) => {
    expect(parseOptions(service, {}, {}).service).toBe(service)
  },
)
