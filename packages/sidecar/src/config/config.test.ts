import { balancers } from '@fairlead/sdk'
import { CommanderError } from 'commander'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { parseConfig, type Config } from './config.js'

// commander prints before it throws: what it prints is what a person reads, so it is what is tested.
let printed = ''

beforeEach(() => {
  printed = ''
  const print = (text: string | Uint8Array): boolean => {
    printed += String(text)
    return true
  }
  vi.spyOn(process.stdout, 'write').mockImplementation(print)
  vi.spyOn(process.stderr, 'write').mockImplementation(print)
  for (const name of Object.keys(process.env)) if (name.startsWith('FAIRLEAD_')) vi.stubEnv(name, undefined)
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

const parse = (...argv: string[]): Config => parseConfig(argv, '1.2.3')

function refused(...argv: string[]): CommanderError {
  try {
    parse(...argv)
  } catch (error) {
    if (error instanceof CommanderError) return error
    throw error
  }
  throw new Error(`${argv.join(' ')} was not refused`)
}

const DEFAULTS: Config = {
  listen: { host: '127.0.0.1', port: 4140 },
  admin: { host: '127.0.0.1', port: 4191 },
  allowedHosts: [],
  consul: undefined,
  datacenter: undefined,
  failover: [],
  snapshotDir: undefined,
  idleTimeoutMs: 600_000,
  services: [],
  readyMin: 0,
  balancer: undefined,
  layers: { subset: undefined, zone: undefined, slowStartMs: undefined },
  panicThreshold: 0.5,
  hashOn: [],
  sticky: undefined,
  timeoutMs: undefined,
  admission: undefined,
  bodyTimeoutMs: 300_000,
  maxResponseHeaderBytes: undefined,
  applicationTimeoutMs: 300_000,
  drainTimeoutMs: 30_000,
  maxServices: 100,
  logLevel: 'info',
}

test('everything has a default', () => {
  const config = parse()
  expect(config).toEqual(DEFAULTS)
  expect(Object.isFrozen(config)).toBe(true)
})

interface Row {
  readonly flag: string
  readonly env: string | undefined
  readonly value: string
  readonly other: string
  readonly parsed: Partial<Config>
}

const ROWS: readonly Row[] = [
  {
    flag: '--listen',
    env: 'FAIRLEAD_LISTEN',
    value: '0.0.0.0:8080',
    other: '127.0.0.1:1',
    parsed: { listen: { host: '0.0.0.0', port: 8080 } },
  },
  {
    flag: '--admin',
    env: 'FAIRLEAD_ADMIN',
    value: '[::1]:0',
    other: '127.0.0.1:1',
    parsed: { admin: { host: '::1', port: 0 } },
  },
  {
    flag: '--allowed-host',
    env: 'FAIRLEAD_ALLOWED_HOST',
    value: 'proxy.example.com, .tests.example',
    other: 'other',
    parsed: { allowedHosts: ['proxy.example.com', '.tests.example'] },
  },
  {
    flag: '--consul',
    env: undefined,
    value: 'https://consul:8501',
    other: '',
    parsed: { consul: 'https://consul:8501' },
  },
  {
    flag: '--service',
    env: 'FAIRLEAD_SERVICE',
    value: 'orders, payments',
    other: 'users',
    parsed: { services: ['orders', 'payments'] },
  },
  {
    flag: '--max-response-header-bytes',
    env: 'FAIRLEAD_MAX_RESPONSE_HEADER_BYTES',
    value: '256',
    other: '1073741824',
    parsed: { maxResponseHeaderBytes: 256 },
  },
  {
    flag: '--datacenter',
    env: 'FAIRLEAD_DATACENTER',
    value: 'dc2',
    other: 'dc3',
    parsed: { datacenter: 'dc2' },
  },
  {
    flag: '--failover',
    env: 'FAIRLEAD_FAILOVER',
    value: 'dc2,dc3',
    other: 'dc4',
    parsed: { failover: ['dc2', 'dc3'] },
  },
  {
    flag: '--snapshot-dir',
    env: 'FAIRLEAD_SNAPSHOT_DIR',
    value: '/var/lib/fairlead',
    other: '/tmp',
    parsed: { snapshotDir: '/var/lib/fairlead' },
  },
  {
    flag: '--idle-timeout',
    env: 'FAIRLEAD_IDLE_TIMEOUT',
    value: '1000',
    other: '2000',
    parsed: { idleTimeoutMs: 1000 },
  },
  {
    flag: '--balancer',
    env: 'FAIRLEAD_BALANCER',
    value: 'round_robin',
    other: 'least_request',
    parsed: { balancer: 'round_robin' },
  },
  {
    flag: '--hash-on',
    env: 'FAIRLEAD_HASH_ON',
    value: 'header:X-User, query:user,cookie:sid',
    other: 'path',
    parsed: { hashOn: [{ header: 'X-User' }, { queryParameter: 'user' }, { cookie: 'sid' }] },
  },
  { flag: '--timeout', env: 'FAIRLEAD_TIMEOUT', value: '1', other: '2', parsed: { timeoutMs: 1 } },
  {
    flag: '--drain-timeout',
    env: 'FAIRLEAD_DRAIN_TIMEOUT',
    value: '0',
    other: '2',
    parsed: { drainTimeoutMs: 0 },
  },
  {
    flag: '--max-services',
    env: 'FAIRLEAD_MAX_SERVICES',
    value: '10000',
    other: '2',
    parsed: { maxServices: 10_000 },
  },
  {
    flag: '--log-level',
    env: 'FAIRLEAD_LOG_LEVEL',
    value: 'debug',
    other: 'error',
    parsed: { logLevel: 'debug' },
  },
]

describe('a setting', () => {
  test.each(ROWS)('$flag', ({ flag, value, parsed }) => {
    expect(parse(flag, value)).toEqual({ ...DEFAULTS, ...parsed })
    expect(parse(`${flag}=${value}`)).toEqual({ ...DEFAULTS, ...parsed })
  })

  const withEnv = ROWS.flatMap((row) => (row.env === undefined ? [] : [{ ...row, env: row.env }]))

  test.each(withEnv)('$env', ({ env, value, parsed }) => {
    vi.stubEnv(env, value)
    expect(parse()).toEqual({ ...DEFAULTS, ...parsed })
  })

  test.each(withEnv)('$flag wins over $env', ({ flag, env, value, other, parsed }) => {
    vi.stubEnv(env, other)
    expect(parse(flag, value)).toEqual({ ...DEFAULTS, ...parsed })
  })

  // Of all there are, as the help names them.
  test.each(['', ' '])('%j in a variable is as if it were not set', (blank) => {
    refused('--help')
    const variables = new Set(printed.match(/\bFAIRLEAD_\w+/g))
    expect(variables.size).toBeGreaterThan(withEnv.length)
    for (const name of variables) vi.stubEnv(name, blank)
    expect(parse()).toEqual(DEFAULTS)
    for (const { flag, value, parsed } of withEnv) expect(parse(flag, value)).toMatchObject(parsed)
  })

  test('--service can be repeated', () => {
    expect(parse('--service', 'a', '--service', 'b,c').services).toEqual(['a', 'b', 'c'])
  })

  test('--ready-min without --service is rejected', () => {
    expect(parse('--ready-min', '2', '--service', 'a')).toMatchObject({ readyMin: 2, services: ['a'] })
    expect(parse('--ready-min', '0')).toEqual(DEFAULTS)
    expect(refused('--ready-min', '2').exitCode).toBe(1)
    expect(printed).toContain('--ready-min is set without a --service')
    vi.stubEnv('FAIRLEAD_READY_MIN', '3')
    expect(refused().exitCode).toBe(1)
    vi.stubEnv('FAIRLEAD_SERVICE', 'a')
    expect(parse('--ready-min', '2')).toMatchObject({ readyMin: 2, services: ['a'] })
    expect(parse()).toMatchObject({ readyMin: 3 })
  })

  test('--hash-on can be repeated', () => {
    const { hashOn } = parse('--hash-on', 'path', '--hash-on', 'header:a,source_ip')
    expect(hashOn).toEqual([{ pathname: true }, { header: 'a' }, { sourceIp: true }])
  })

  test.each(Object.keys(balancers))('--balancer %s', (balancer) => {
    expect(parse('--balancer', balancer).balancer).toBe(balancer)
  })
})

const LISTEN = 'It must be host:port, such as 127.0.0.1:4140 or [::1]:4140.'

const BAD: readonly (readonly [flag: string, value: string, fix: string])[] = [
  ...['--service', '--failover', '--allowed-host'].flatMap((flag) =>
    ['', ' ', ',', 'a,,b', 'a,', ',a'].map(
      (value) => [flag, value, 'It must be a name, or several separated by commas.'] as const,
    ),
  ),
  ['--allowed-host', 'proxy.example.com:4140', 'It must be a host name without a port'],
  ['--allowed-host', '*.example.com', 'It must be a host name without a port'],
  ...['--listen', '--admin'].flatMap((flag) =>
    [
      '',
      '4140',
      ':4140',
      '127.0.0.1',
      '127.0.0.1:',
      '127.0.0.1:x',
      '127.0.0.1:65536',
      '127.0.0.1:80/x',
      '::1:80',
    ]
      .concat('127.0.0.1:-1', 'http://127.0.0.1:80', '127.0.0.1:80?q', 'user@127.0.0.1:80', '127.0.0.1:80#f')
      .map((value) => [flag, value, LISTEN] as const),
  ),
  ...['', '0', '-1', '1.5', 'x', '1e3', '86400001', ' 1', '0x10', 'Infinity'].map(
    (value) => ['--timeout', value, 'It must be a whole number from 1 to 86400000.'] as const,
  ),
  ...['', '-1', '30s'].map(
    (value) => ['--drain-timeout', value, 'It must be a whole number from 0 to 86400000.'] as const,
  ),
  ...['0', '10001', 'many'].map(
    (value) => ['--max-services', value, 'It must be a whole number from 1 to 10000.'] as const,
  ),
  ...['', 'x-user', 'header:', 'header:a,sourceip', 'path,'].map(
    (value) =>
      [
        '--hash-on',
        value,
        'It must be header:NAME, cookie:NAME, query:NAME, path or source_ip, not "',
      ] as const,
  ),
  ['--balancer', 'fastest', `Allowed choices are ${Object.keys(balancers).join(', ')}.`],
  [
    '--balancer',
    'round-robin',
    `Allowed choices are ${Object.keys(balancers).join(', ')}. Did you mean round_robin?`,
  ],
  ['--balancer', 'malgev', `Allowed choices are ${Object.keys(balancers).join(', ')}. Did you mean maglev?`],
  ['--log-level', 'loud', 'Allowed choices are debug, info, warn, error.'],
]

describe('a bad value names option, value and fix', () => {
  test.each(BAD)('%s %j', (flag, value, fix) => {
    const error = refused(`${flag}=${value}`)
    expect(error.exitCode).toBe(1)
    expect(printed).toContain(`option '${flag} `)
    expect(printed).toContain(`'${value}' is invalid. ${fix}`)
  })

  test('also from the environment', () => {
    vi.stubEnv('FAIRLEAD_TIMEOUT', 'soon')
    refused()
    expect(printed).toContain(
      `option '--timeout <ms>' value 'soon' from env 'FAIRLEAD_TIMEOUT' is invalid. It must`,
    )
  })

  test('an empty name in a list of a variable names the variable', () => {
    vi.stubEnv('FAIRLEAD_SERVICE', 'a,,b')
    refused()
    expect(printed).toContain(
      `option '--service <name>' value 'a,,b' from env 'FAIRLEAD_SERVICE' is invalid.`,
    )
  })

  test.each([
    [['--listn', '127.0.0.1:1'], "unknown option '--listn'"],
    [['orders'], 'too many arguments'],
    [['--timeout'], "option '--timeout <ms>' argument missing"],
  ])('%j', (argv, said) => {
    expect(refused(...argv).exitCode).toBe(1)
    expect(printed).toContain(said)
  })
})

describe('help', () => {
  test('names every option, its variable and what the proxy answers', () => {
    expect(refused('--help').exitCode).toBe(0)
    for (const { flag, env } of ROWS) {
      expect(printed).toContain(flag)
      if (env !== undefined) expect(printed).toContain(env)
    }
    for (const said of [
      'x-fairlead-error',
      'X-Forwarded-For',
      'fairlead-service: orders',
      '/readyz',
      'CONSUL_HTTP_TOKEN',
      'SIGTERM',
    ])
      expect(printed).toContain(said)
  })

  test('--version', () => {
    expect(refused('--version').exitCode).toBe(0)
    expect(printed).toBe('1.2.3\n')
  })
})
