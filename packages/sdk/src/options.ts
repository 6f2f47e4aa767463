import * as v from 'valibot'
import { balancers, type BalancerName } from './balance/balancers.js'
import type { Balancer } from './balance/picker.js'
import type { Clock } from './clock.js'
import type { Resolver } from './discovery/resolver.js'
import type { Logger } from './logger.js'
import type { Random } from './random.js'
import { invalid, refusal } from './refusal.js'
import { wholeNumber as count } from './whole-number.js'

/** Where Consul is and how to ask it. */
export interface ConsulOptions {
  /** `http://host:port`, `https://host:port` or `host:port`. Default: `CONSUL_HTTP_ADDR`, else `http://127.0.0.1:8500`. */
  readonly address?: string | undefined
  /** ACL token with `service:read` and `node:read`. Default: `CONSUL_HTTP_TOKEN`, else none. */
  readonly token?: string | undefined
  /**
   * How long the agent may hold a blocking query open, in milliseconds, 1,000 to 600,000. Default 60,000:
   * an idle service costs one query a minute, and a connection that died unseen is noticed after about one.
   */
  readonly waitMs?: number | undefined
}

export interface RetryOptions {
  /** Attempts in all, the first included, 1 to 10. Default 2: one retry, on another endpoint. */
  readonly attempts?: number | undefined
  /** Retries allowed for each request of the last 10 s, 0 to 1. Default 0.2. */
  readonly budgetRatio?: number | undefined
  /** Retries a second allowed whatever the traffic, 0 or more. Default 10. */
  readonly budgetMinPerSecond?: number | undefined
}

export interface BreakerOptions {
  /** Requests in the window before a rate of failures means anything. Default 20. */
  readonly volumeThreshold?: number | undefined
  /** The circuit of an endpoint opens above this share of failures, in percent. Default 50. */
  readonly errorThresholdPercentage?: number | undefined
  /** Length of the rolling window in milliseconds. Default 10,000. */
  readonly windowMs?: number | undefined
  /** How long a circuit stays open before one probe, in milliseconds. Default 5,000. */
  readonly resetMs?: number | undefined
}

export interface ConnectionOptions {
  /** How long connecting may take, in milliseconds. Default 1,000: within a datacenter it takes one or two. */
  readonly connectTimeoutMs?: number | undefined
  /** Connections to one endpoint at most; requests above it queue. Default: no limit. */
  readonly maxPerEndpoint?: number | undefined
  /** How long an idle connection is kept, in milliseconds. Default 4,000: below the 5 s after which Node servers close theirs. */
  readonly keepAliveMs?: number | undefined
  /** Longest pause within a response body, in milliseconds; 0 = none is too long. Default 300,000. */
  readonly bodyTimeoutMs?: number | undefined
}

/** Everything a client can be told. All of it has a default. */
export interface ClientOptions {
  readonly consul?: ConsulOptions | undefined
  /** Where instances come from, instead of Consul. */
  readonly resolver?: Resolver | undefined
  /** A policy by name, or one of your own. Default `peak_ewma`. */
  readonly balancer?: BalancerName | Balancer | undefined
  /**
   * From the call to the head of the response, in milliseconds: waiting for discovery and all attempts included.
   * Every chunk of a body that is a stream renews it. `Infinity`: no limit. Default 30,000.
   */
  readonly timeoutMs?: number | undefined
  /** `false`: one attempt only. */
  readonly retry?: RetryOptions | false | undefined
  /** `false`: no circuit ever opens. */
  readonly breaker?: BreakerOptions | false | undefined
  readonly connections?: ConnectionOptions | undefined
  /** Default: pino on standard output from level `warn`. */
  readonly logger?: Logger | undefined
  /** For tests. Default: the machine's. */
  readonly clock?: Clock | undefined
  /** For tests. Default: seeded from the machine. */
  readonly random?: Random | undefined
}

/** Options with every default in its place. */
export interface Settings {
  readonly service: string
  readonly consul: { readonly address: string; readonly token: string | undefined; readonly waitMs: number }
  readonly resolver: Resolver | undefined
  readonly balancer: Balancer
  readonly timeoutMs: number
  readonly retry: {
    readonly attempts: number
    readonly budgetRatio: number
    readonly budgetMinPerSecond: number
  }
  readonly breaker:
    | {
        readonly volumeThreshold: number
        readonly errorThresholdPercentage: number
        readonly windowMs: number
        readonly resetMs: number
      }
    | false
  readonly connections: {
    readonly connectTimeoutMs: number
    readonly maxPerEndpoint: number | undefined
    readonly keepAliveMs: number
    readonly bodyTimeoutMs: number
  }
  readonly logger: Logger | undefined
  readonly clock: Clock | undefined
  readonly random: Random | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const names = Object.keys(balancers) as BalancerName[]

const amount = (least: number, most: number, what: string): v.GenericSchema<number> =>
  v.pipe(v.number(what), v.minValue(least, what), v.maxValue(most, what))

const having = <T>(what: string, ...methods: readonly string[]): v.GenericSchema<T> =>
  v.custom<T>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      methods.every((method) => typeof (value as Record<string, unknown>)[method] === 'function'),
    what,
  )

// Unknown keys are refused: a misspelt option must not be a default in disguise.
const group = <T extends v.ObjectEntries>(entries: T): v.StrictObjectSchema<T, string> =>
  v.strictObject(entries, 'an object of options')

const orFalse = <T extends v.GenericSchema>(
  schema: T,
): v.UnionSchema<[v.LiteralSchema<false, undefined>, T], string> =>
  v.union([v.literal(false), schema], 'false or an object of options')

// A day: as long as a request can mean to take, and far below where timers overflow.
const LONGEST_MS = 86_400_000

const schema = group({
  consul: v.optional(
    group({
      address: v.optional(v.string('a string such as "http://127.0.0.1:8500"')),
      token: v.optional(v.pipe(v.string('a string'), v.minLength(1, 'a token that is not empty'))),
      // Consul's own most is 10 minutes.
      waitMs: v.optional(count(1000, 600_000), 60_000),
    }),
    {},
  ),
  resolver: v.optional(having<Resolver>('a resolver, an object with watch(service, signal)', 'watch')),
  balancer: v.optional(
    v.union(
      [v.picklist(names), v.custom<Balancer>((value) => typeof value === 'function')],
      `one of ${names.join(', ')}, or a function (endpoints, random) => picker`,
    ),
    'peak_ewma',
  ),
  timeoutMs: v.optional(
    v.union(
      [count(1, LONGEST_MS), v.literal(Infinity)],
      `a whole number of milliseconds from 1 to ${LONGEST_MS}, or Infinity`,
    ),
    30_000,
  ),
  retry: v.optional(
    orFalse(
      group({
        attempts: v.optional(count(1, 10), 2),
        budgetRatio: v.optional(amount(0, 1, 'a number from 0 to 1'), 0.2),
        budgetMinPerSecond: v.optional(amount(0, 1e6, 'a number, 0 or more'), 10),
      }),
    ),
    {},
  ),
  breaker: v.optional(
    orFalse(
      group({
        volumeThreshold: v.optional(count(1, 1e6), 20),
        errorThresholdPercentage: v.optional(amount(0, 100, 'a number of percent from 0 to 100'), 50),
        windowMs: v.optional(count(100, LONGEST_MS), 10_000),
        resetMs: v.optional(count(1, LONGEST_MS), 5000),
      }),
    ),
    {},
  ),
  connections: v.optional(
    group({
      connectTimeoutMs: v.optional(count(1, LONGEST_MS), 1000),
      maxPerEndpoint: v.optional(count(1, 65_535)),
      keepAliveMs: v.optional(count(1, LONGEST_MS), 4000),
      bodyTimeoutMs: v.optional(count(0, LONGEST_MS), 300_000),
    }),
    {},
  ),
  logger: v.optional(
    having<Logger>('a logger with info, warn and error, such as pino()', 'info', 'warn', 'error'),
  ),
  clock: v.optional(
    having<Clock>(
      'a clock with now, unixTime, setTimer and clearTimer',
      ...['now', 'unixTime', 'setTimer', 'clearTimer'],
    ),
  ),
  random: v.optional(having<Random>('a source of randomness with next and bits', 'next', 'bits')),
})

/**
 * Checks what a client was told, once, and fills in the rest. The only reader of the environment.
 *
 * @throws FairleadError `INVALID_OPTION`, naming the option, its value and what it should be.
 */
export function parseOptions(service: unknown, options: unknown, environment: Environment): Settings {
  const given = v.safeParse(schema, options)
  if (!given.success) throw refusal(given.issues[0], 'options')
  const { consul, balancer, retry, breaker, connections, ...rest } = given.output
  return Object.freeze({
    service: parseService(service),
    consul: {
      address: parseAddress(consul.address, environment),
      token: consul.token ?? (environment['CONSUL_HTTP_TOKEN'] || undefined),
      waitMs: consul.waitMs,
    },
    balancer: typeof balancer === 'string' ? balancers[balancer] : balancer,
    timeoutMs: rest.timeoutMs,
    retry: retry === false ? { attempts: 1, budgetRatio: 0, budgetMinPerSecond: 0 } : retry,
    breaker,
    connections: { ...connections, maxPerEndpoint: connections.maxPerEndpoint },
    resolver: rest.resolver,
    logger: rest.logger,
    clock: rest.clock,
    random: rest.random,
  })
}

/**
 * Refuses at start what would be refused later, for a program that makes its clients on demand.
 *
 * @throws FairleadError `INVALID_OPTION`, as `createClient` does.
 * @example
 * ```ts
 * import { validateOptions } from '@fairlead/sdk'
 *
 * validateOptions({ consul: { address: 'http://127.0.0.1:8500' } })
 * ```
 */
export function validateOptions(options: ClientOptions): void {
  parseOptions('any', options, process.env)
}

// What can stand in a host name, since a service is addressed as http://<service>/; Consul's DNS asks for no less.
const SERVICE = /^[a-z\d](?:[a-z\d._-]{0,251}[a-z\d])?$/i

function parseService(service: unknown): string {
  if (typeof service === 'string' && SERVICE.test(service)) return service
  throw invalid(
    'service',
    service,
    'the name of a Consul service: letters, digits, "-", "_" and ".", not at an end, at most 253',
  )
}

function parseAddress(option: string | undefined, environment: Environment): string {
  const variable = environment['CONSUL_HTTP_ADDR'] || undefined
  const given = option ?? variable ?? '127.0.0.1:8500'
  const scheme = environment['CONSUL_HTTP_SSL'] === 'true' && option === undefined ? 'https' : 'http'
  const text = given.includes('://') ? given : `${scheme}://${given}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '') {
    return url.origin
  }
  const name = option === undefined ? 'environment variable CONSUL_HTTP_ADDR' : 'consul.address'
  throw invalid(name, given, 'http://host:port, https://host:port or host:port')
}
