import * as v from 'valibot'
import {
  admissionOf,
  admissionSchema,
  type AdmissionOptions,
  type AdmissionSettings,
} from './admission/admission-options.js'
import { whyNoBalancer } from './balance/balancer-option.js'
import { balancers, type BalancerName } from './balance/balancers.js'
import type { Balancer } from './balance/picker.js'
import type { Clock } from './clock.js'
import type { TlsOptions } from './transport/connector.js'
import type { GovernorOptions } from './cluster/removal-governor.js'
import type { Classify } from './endpoint/classify.js'
import type { Environment } from './consul/connection-options.js'
import type { DeadlineHeader } from './deadline/deadline.js'
import { routesSchema, type RouteOptions, type RouteSettings } from './call/routes-option.js'
import { DEADLINE_HEADERS } from './deadline/deadline-header.js'
import { consulSchema, parseConsul, type ConsulOptions } from './discovery/consul/options.js'
import type { ConsulResolverOptions } from './discovery/consul/resolver.js'
import type { Exclude } from './discovery/excluding.js'
import type { Resolver } from './discovery/resolver.js'
import type { SnapshotCacheOptions } from './discovery/saved/snapshot-cache.js'
import type { HashPolicy } from './discovery/server-policy.js'
import {
  healthCheckSchema,
  type HealthCheckOptions,
  type HealthCheckSettings,
} from './health/health-check-option.js'
import { hashPolicySchema, type HashPolicyOption } from './hashing/hash-policy-option.js'
import type { Logger } from './logger.js'
import { holdsOptions } from './validation/known-names.js'
import { loggerSchema } from './validation/logger-option.js'
import {
  amount,
  count,
  countOrFalse,
  group,
  having,
  LONGEST_MS,
  milliseconds,
  millisecondsOrInfinity,
  orFalse,
  word,
} from './validation/schemas.js'
import type { Random } from './random.js'
import { hedgeSchema, type HedgeOptions, type HedgeSettings } from './resilience/hedge-options.js'
import type { OpossumBreakerOptions } from './resilience/opossum-breaker.js'
import {
  outlierDetectionSchema,
  type OutlierDetectionOptions,
  type OutlierDetectionSettings,
} from './resilience/outlier/outlier-options.js'
import type { PushbackOptions } from './resilience/pushback.js'
import { retrySchema, type RetryOptions, type RetrySettings } from './resilience/retry-options.js'
import { stallSchema, type StallOptions, type StallSettings } from './resilience/stall/stall-options.js'
import { checked } from './validation/checked.js'
import { parseServiceName } from './validation/service-name.js'
import type { ServiceOrigins } from './validation/service-url.js'
import type { StickyOptions, StickySettings } from './sessions/sticky-options.js'
import { stickySchema } from './sessions/sticky-schema.js'
import { tlsSchema } from './transport/tls-option.js'
import { tlsValues } from './validation/tls-values.js'

/** The circuit breaker of each endpoint: when it opens, and when it lets a half-open probe through. */
export interface BreakerOptions {
  /** Requests in the window before a rate of failures means anything. Default 20. */
  readonly volumeThreshold?: number | undefined
  /** The circuit of an endpoint opens above this share of failures, in percent. Default 50. */
  readonly errorThresholdPercentage?: number | undefined
  /** It opens at so many failures in a row, however few requests there are; `false`: at none. Default 5. */
  readonly consecutiveFailures?: number | false | undefined
  /** Length of the rolling window in milliseconds. Default 10,000. */
  readonly windowMs?: number | undefined
  /**
   * How long a circuit stays open before one probe, in milliseconds: by chance, half of it to all of it, so that clients do
   * not return in step. It doubles with each probe that fails, and is as before after a recovery. Default 5,000.
   */
  readonly resetMs?: number | undefined
  /** How long it stays open at the very most, in milliseconds. Default 60,000. */
  readonly maxResetMs?: number | undefined
}

/** Connections to endpoints: their time limits, number, size limits and TLS. */
export interface ConnectionOptions {
  /**
   * How long connecting may take, the look-up of a name, TCP and TLS together, in milliseconds. Default 1,000: within a
   * datacenter it takes one or two.
   */
  readonly connectTimeoutMs?: number | undefined
  /** Connections to one endpoint at most; requests above it queue. Default: no limit. */
  readonly maxPerEndpoint?: number | undefined
  /** How long an idle connection is kept, in milliseconds. Default 4,000: below the 5 s after which Node servers close theirs. */
  readonly keepAliveMs?: number | undefined
  /**
   * Longest pause within a response body, in milliseconds; 0 = none is too long. Noticed up to a second later, as undici
   * looks twice a second for all connections at once. Default 300,000.
   */
  readonly bodyTimeoutMs?: number | undefined
  /**
   * The head of a response is at most so large, in bytes; one that is larger fails its request. Default: Node's own
   * limit, 16,384 (`--max-http-header-size`).
   */
  readonly maxResponseHeaderBytes?: number | undefined
  /**
   * What endpoints are spoken to by. `http1`: HTTP/1.1. `http2`: HTTP/2, many requests on one connection, over TLS by ALPN
   * and in clear by prior knowledge (`h2c`); an endpoint that does not speak it is one that cannot be reached. `auto`: over
   * TLS HTTP/2 where it is offered, else HTTP/1.1. Upgrades and CONNECT need HTTP/1.1, and get it with `auto` over TLS.
   * Default `http1`.
   */
  readonly protocol?: 'http1' | 'http2' | 'auto' | undefined
  /**
   * HTTP/2: how often a connection is sent a PING, in milliseconds, 1,000 or more; it ends where there is no answer within
   * 15 s. Servers may end connections that are sent many (gRPC's: more than one in 5 minutes). Default: none but one for a
   * request that was given up without an answer.
   */
  readonly pingMs?: number | undefined
  /**
   * How old a connection may become, in milliseconds: one that is older carries what it has to the end, and is closed
   * then. Each ends up to 10% earlier, at random, so that a fleet does not connect anew at once. Default: no limit.
   */
  readonly maxAgeMs?: number | undefined
  /** Requests that one connection carries, 1 or more; it is closed behind the last of them. Default: no limit. */
  readonly maxRequests?: number | undefined
  /**
   * Connections that are opened to an endpoint before requests come, when it is new or available again; at most
   * `maxPerEndpoint`, and each for `keepAliveMs`. To 1,000 endpoints it opens a thousand times as many. Default 0.
   */
  readonly preconnect?: number | undefined
  /**
   * How long an endpoint that discovery no longer lists may take to finish the requests that it has, in milliseconds;
   * then they fail, as by a lost connection. `Infinity`: as long as they take. Default 300,000: as long as load balancers
   * let a target drain by default.
   */
  readonly drainMs?: number | undefined
  /** For instances that speak https: Node's own options, such as `ca`, `cert`, `key`, `servername`. */
  readonly tls?: TlsOptions | undefined
}

/** What becomes of instances that discovery no longer lists, where that is suspect. */
export interface RemovalOptions {
  /** Above this share of all instances, gone within `windowMs` and more than one, it is suspect. Default 0.5. */
  readonly share?: number | undefined
  /** Default 10,000 milliseconds. */
  readonly windowMs?: number | undefined
  /** How long they are retained, in milliseconds, each answer of one renewing its time. Default 60,000. */
  readonly retainMs?: number | undefined
  /** How long at the very most, in milliseconds. Default 600,000. */
  readonly maxRetainMs?: number | undefined
}

/** The last known set on disk, for a start without Consul. */
export interface SnapshotOptions {
  /** A folder of this program's own; made where it is missing. */
  readonly directory: string
  /** An older one is of no use, in milliseconds. Default 86,400,000: a day. */
  readonly maxAgeMs?: number | undefined
}

/** Everything a client can be told. All of it has a default. */
export interface ClientOptions {
  /**
   * How to reach Consul, and which instances to ask it for. Default: the agent at `CONSUL_HTTP_ADDR`, else
   * `http://127.0.0.1:8500`, and the healthy instances of its own datacenter.
   */
  readonly consul?: ConsulOptions | undefined
  /** Where instances come from, instead of Consul. */
  readonly resolver?: Resolver | undefined
  /**
   * Instances that are never used: why, for people, or `undefined` for one that may be. Asked again for every set. One
   * for which it throws is used, and the log says so.
   */
  readonly exclude?: Exclude | undefined
  /** `false`: whatever discovery no longer lists is gone at once. */
  readonly removal?: RemovalOptions | false | undefined
  /** Default: nothing is written to disk. */
  readonly snapshot?: SnapshotOptions | undefined
  /**
   * Without a request for so long, in milliseconds, the watch is stopped; the next request starts it again, and waits
   * for its first word. Default 600,000; `Infinity`: it is never stopped.
   */
  readonly idleMs?: number | undefined
  /** A policy by name, or one of your own. Default: what Consul says of the service, else `peak_ewma`. */
  readonly balancer?: BalancerName | Balancer | undefined
  /**
   * Panic: below this share of endpoints of a priority that are available by client-side health, that is by their
   * circuits, the priority is balanced over all that Consul calls healthy, unless other priorities can take what it
   * cannot: sparing the few that are left. 0 to 1; 0: never, so that where all circuits are open requests fail at once
   * with `UNAVAILABLE`.
   * Default 0.5, as Envoy's.
   */
  readonly panicThreshold?: number | undefined
  /**
   * What requests are hashed by, for `ring_hash`, `maglev` and other balancers that ask; a request's own `hashKey` goes
   * before it. All parts that a request has are combined; one that has none goes to any endpoint. Default: none.
   */
  readonly hashOn?: readonly HashPolicyOption[] | undefined
  /**
   * Sessions: a cookie or header names the endpoint that answered, opaquely and signed, and later requests that bring
   * it go there; when it is gone, unavailable or fails, to the one that the balancer picks. Default: none.
   */
  readonly sticky?: StickyOptions | undefined
  /**
   * From the call to the head of the response, in milliseconds: waiting for discovery and all attempts included.
   * Every chunk of a body that is a stream renews it. `Infinity`: no limit. Default 30,000.
   */
  readonly timeoutMs?: number | undefined
  /**
   * The header that tells an endpoint how much time is left for the response when an attempt is sent:
   * `x-envoy-expected-rq-timeout-ms` in milliseconds, or `grpc-timeout`; rounded down, at least 1 ms, and not where the
   * request has that header already. `false`: none. Default: those by which the deadline came in that the request is made
   * within (`deadlines()`), else none.
   */
  readonly deadlineHeader?: DeadlineHeader | false | undefined
  /**
   * A limit of requests in flight, with a queue above it, and `OVERLOADED` at once for what the queue has no room for, the
   * least important first. Default `false`: no limit.
   */
  readonly admission?: AdmissionOptions | false | undefined
  /** `false`: one attempt only. */
  readonly retry?: RetryOptions | false | undefined
  /** A second attempt beside one that takes long. Default `false`: none. */
  readonly hedge?: HedgeOptions | false | undefined
  /** What holds for some requests instead: the first route that fits. Default: none. */
  readonly routes?: readonly RouteOptions[] | undefined
  /**
   * An endpoint that asks to be left alone (429, or 503 with `Retry-After`) gets no requests for that time. `false`: such
   * answers move no load.
   */
  readonly pushback?: Partial<PushbackOptions> | false | undefined
  /**
   * An endpoint that owes answers and sends no byte, not even of an answer to `OPTIONS /` from here, while others answer: it
   * gets no requests until it does, and those it has are tried elsewhere, if they may be. `false`: no silence counts.
   */
  readonly stallDetection?: StallOptions | false | undefined
  /** `false`: no circuit ever opens. */
  readonly breaker?: BreakerOptions | false | undefined
  /** `false`: no endpoint is ever ejected. */
  readonly outlierDetection?: OutlierDetectionOptions | false | undefined
  /**
   * Active health checks, by HTTP, TCP or gRPC, of endpoints that get no requests: what fails them is sent none while
   * there are others. Default: none.
   */
  readonly healthCheck?: HealthCheckOptions | undefined
  /**
   * How an attempt went, as far as its endpoint is concerned, in place of Fairlead's own decision: by default a status of
   * 500 or more is a failure, as is an error that is not the caller's. `undefined` leaves it to that.
   */
  readonly classify?: Classify | undefined
  /** Connections to endpoints. Default: see each field. */
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
  /** How it is written in a URL. */
  readonly origins: ServiceOrigins
  readonly consul: ConsulResolverOptions
  readonly resolver: Resolver | undefined
  readonly exclude: Exclude | undefined
  readonly removal: GovernorOptions | false
  readonly snapshot: SnapshotCacheOptions | undefined
  readonly idleMs: number
  /** Undefined: not given, so that the registry may choose. */
  readonly balancer: Balancer | undefined
  readonly panicThreshold: number
  readonly hashOn: readonly HashPolicy[]
  readonly sticky: StickySettings | undefined
  readonly timeoutMs: number
  /** Undefined: as the deadline came in. */
  readonly deadlineHeaders: readonly DeadlineHeader[] | undefined
  /** Undefined: no limit. */
  readonly admission: AdmissionSettings | undefined
  /** Was it given, so that the registry has no say in it? */
  readonly given: { readonly timeoutMs: boolean; readonly connectTimeoutMs: boolean }
  readonly retry: RetrySettings
  readonly hedge: HedgeSettings | undefined
  readonly routes: readonly RouteSettings[]
  readonly pushback: PushbackOptions | false
  readonly stallDetection: StallSettings | false
  readonly breaker: OpossumBreakerOptions | false
  readonly outlierDetection: OutlierDetectionSettings | false
  readonly healthCheck: HealthCheckSettings | undefined
  readonly connections: {
    readonly connectTimeoutMs: number
    readonly maxPerEndpoint: number | undefined
    readonly keepAliveMs: number
    readonly bodyTimeoutMs: number
    /** Undefined: Node's own limit. */
    readonly maxResponseHeaderBytes: number | undefined
    readonly protocol: 'http1' | 'http2' | 'auto'
    /** Undefined: only where an endpoint is suspected to be gone. */
    readonly pingMs: number | undefined
    readonly maxAgeMs: number | undefined
    readonly maxRequests: number | undefined
    readonly preconnect: number
    readonly drainMs: number
    readonly tls: TlsOptions
  }
  readonly classify: Classify | undefined
  readonly logger: Logger | undefined
  readonly clock: Clock | undefined
  readonly random: Random | undefined
}

// A rate is a likelier meaning of 0.5 than half of a percent is, and would open circuits at the first failure.
const percentage = v.pipe(
  amount(0, 100, 'a number of percent from 0 to 100'),
  v.check(
    (value) => value === 0 || value >= 1,
    'a number of percent, 0 or from 1 to 100, such as 50 for one half',
  ),
)

const schema = group({
  consul: v.optional(consulSchema, {}),
  resolver: v.optional(having<Resolver>('a resolver, an object with watch(service, signal)', 'watch')),
  exclude: v.optional(
    v.custom<Exclude>((value) => typeof value === 'function', 'a function (instance) => reason or undefined'),
  ),
  balancer: v.optional(
    v.custom<BalancerName | Balancer>(
      (value) => whyNoBalancer(value) === undefined,
      ({ input }) => whyNoBalancer(input) ?? '',
    ),
  ),
  removal: v.optional(
    orFalse(
      group({
        share: v.optional(amount(0, 1, 'a number from 0 to 1'), 0.5),
        windowMs: v.optional(milliseconds(0, LONGEST_MS), 10_000),
        retainMs: v.optional(milliseconds(1, LONGEST_MS), 60_000),
        maxRetainMs: v.optional(milliseconds(1, LONGEST_MS), 600_000),
      }),
    ),
    {},
  ),
  snapshot: v.optional(
    group({
      directory: word('the path of a folder'),
      maxAgeMs: v.optional(milliseconds(1, 30 * LONGEST_MS), LONGEST_MS),
    }),
  ),
  idleMs: v.optional(millisecondsOrInfinity(1000, LONGEST_MS), 600_000),
  panicThreshold: v.optional(amount(0, 1, 'a number from 0 to 1'), 0.5),
  hashOn: v.optional(
    v.array(hashPolicySchema, 'an array of what to hash by, such as { header: "x-user" }'),
    [],
  ),
  sticky: v.optional(stickySchema),
  timeoutMs: v.optional(millisecondsOrInfinity(1, LONGEST_MS), 30_000),
  deadlineHeader: v.optional(
    v.union([v.literal(false), v.picklist(DEADLINE_HEADERS)], `'${DEADLINE_HEADERS.join("', '")}' or false`),
  ),
  admission: v.optional(admissionSchema),
  retry: v.optional(retrySchema, {}),
  hedge: v.optional(hedgeSchema, false),
  routes: v.optional(routesSchema, []),
  pushback: v.optional(orFalse(group({ maxMs: v.optional(milliseconds(1, LONGEST_MS), 30_000) })), {}),
  stallDetection: v.optional(stallSchema, {}),
  breaker: v.optional(
    orFalse(
      group({
        volumeThreshold: v.optional(count(1, 1e6), 20),
        errorThresholdPercentage: v.optional(percentage, 50),
        consecutiveFailures: v.optional(countOrFalse(1, 1e6), 5),
        windowMs: v.optional(milliseconds(100, LONGEST_MS), 10_000),
        resetMs: v.optional(milliseconds(1, LONGEST_MS), 5000),
        maxResetMs: v.optional(milliseconds(1, LONGEST_MS), 60_000),
      }),
    ),
    {},
  ),
  outlierDetection: v.optional(outlierDetectionSchema, {}),
  healthCheck: v.optional(healthCheckSchema),
  connections: v.optional(
    group({
      connectTimeoutMs: v.optional(milliseconds(1, LONGEST_MS), 1000),
      maxPerEndpoint: v.optional(count(1, 65_535)),
      keepAliveMs: v.optional(milliseconds(1, LONGEST_MS), 4000),
      bodyTimeoutMs: v.optional(milliseconds(0, LONGEST_MS), 300_000),
      maxResponseHeaderBytes: v.optional(count(256, 2 ** 30)),
      protocol: v.optional(v.picklist(['http1', 'http2', 'auto'], "'http1', 'http2' or 'auto'"), 'http1'),
      pingMs: v.optional(milliseconds(1000, LONGEST_MS)),
      maxAgeMs: v.optional(milliseconds(1, LONGEST_MS)),
      maxRequests: v.optional(count(1, 2 ** 31)),
      preconnect: v.optional(count(0, 1000), 0),
      drainMs: v.optional(millisecondsOrInfinity(1, LONGEST_MS), 300_000),
      tls: v.optional(
        v.pipe(v.custom<TlsOptions>(holdsOptions, 'an object of TLS options'), tlsSchema, tlsValues),
        {},
      ),
    }),
    {},
  ),
  classify: v.optional(
    v.custom<Classify>((value) => typeof value === 'function', 'a function (answer) => outcome or undefined'),
  ),
  logger: v.optional(loggerSchema),
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
  const { consul, balancer, breaker, connections, ...rest } = checked(schema, options)
  // Of the right shape by now.
  const raw = options as ClientOptions
  return Object.freeze({
    ...parseServiceName(service),
    consul: parseConsul(consul, environment),
    balancer: typeof balancer === 'string' ? balancers[balancer] : balancer,
    removal: rest.removal,
    snapshot: rest.snapshot,
    idleMs: rest.idleMs,
    given: {
      timeoutMs: raw.timeoutMs !== undefined,
      connectTimeoutMs: raw.connections?.connectTimeoutMs !== undefined,
    },
    panicThreshold: rest.panicThreshold,
    hashOn: rest.hashOn,
    sticky: rest.sticky,
    timeoutMs: rest.timeoutMs,
    deadlineHeaders: headersOf(rest.deadlineHeader),
    admission: admissionOf(rest.admission),
    retry: rest.retry,
    hedge: rest.hedge,
    routes: rest.routes,
    pushback: rest.pushback,
    stallDetection: rest.stallDetection,
    breaker,
    outlierDetection: rest.outlierDetection,
    healthCheck: rest.healthCheck,
    connections: {
      ...connections,
      maxPerEndpoint: connections.maxPerEndpoint,
      maxResponseHeaderBytes: connections.maxResponseHeaderBytes,
      pingMs: connections.pingMs,
      maxAgeMs: connections.maxAgeMs,
      maxRequests: connections.maxRequests,
    },
    resolver: rest.resolver,
    exclude: rest.exclude,
    classify: rest.classify,
    logger: rest.logger,
    clock: rest.clock,
    random: rest.random,
  })
}

function headersOf(option: DeadlineHeader | false | undefined): readonly DeadlineHeader[] | undefined {
  if (option === undefined) return undefined
  return option === false ? [] : [option]
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
