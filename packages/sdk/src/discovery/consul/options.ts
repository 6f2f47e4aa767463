import * as v from 'valibot'
import {
  connectionEntries,
  parseConnection,
  type ConsulConnectionOptions,
  type Environment,
} from '../../consul/connection-options.js'
import { invalidOption } from '../../validation/invalid-option.js'
import { count, flag, group, LONGEST_MS, milliseconds, word } from '../../validation/schemas.js'
import type { FailoverTarget } from './plan.js'
import type { Consistency } from './question.js'
import type { ConsulResolverOptions } from './resolver.js'

/** Where Consul is, and how to ask it. */
export interface ConsulOptions extends ConsulConnectionOptions {
  /** Whose instances. Default: the agent's own datacenter. */
  readonly datacenter?: string | undefined
  /**
   * Those nearest to this node first; `_agent`: the agent's own. A balancer of your own gets them in this order; ours go
   * by load and weight. Switches Consul's streaming backend off.
   */
  readonly near?: string | undefined
  /** Only instances for which this expression is true, such as `Service.Meta.version == "2"`. */
  readonly filter?: string | undefined
  /** Only instances that have all of these tags. */
  readonly tags?: readonly string[] | undefined
  /**
   * `default`: the leader's view, but for moments in an election. `stale`: any server's, so that it answers without a
   * leader. `consistent`: the leader asks a majority first. Default `default`.
   */
  readonly consistency?: Consistency | undefined
  /** Take answers from the agent's cache, which many clients of one host then share. Default false. */
  readonly cached?: boolean | undefined
  /**
   * How old an answer of `stale` or `cached` may be before the leader is asked instead, in milliseconds. An older one
   * is used, but suspect: what is missing from it may still be there. Default 10,000.
   */
  readonly maxStaleMs?: number | undefined
  /**
   * How long the agent may hold a blocking query open, in milliseconds, 1,000 to 600,000. Default 300,000, as Consul's
   * own: an idle service costs a query, or two, in 5 minutes. Where a proxy in between ends requests sooner, waits
   * become shorter by themselves. A connection that died unseen is noticed within about a minute, however long the wait.
   */
  readonly waitMs?: number | undefined
  /**
   * Blocking queries at once, of all clients of this agent in this process; each holds a connection. Above, a service
   * is not followed, and says so. Default 128: below the 200 that an agent allows a client
   * (`limits.http_max_conns_per_client`).
   */
  readonly maxWatches?: number | undefined
  /** How to speak to instances. Default: what the meta of each says (`scheme`, or `secure: true`), else http. */
  readonly scheme?: 'http' | 'https' | undefined
  /** Which of an instance's addresses to take. Default `auto`: `wan` in another datacenter, else `lan`. */
  readonly network?: 'auto' | 'lan' | 'wan' | undefined
  /** Take addresses of this version of IP only. Default: whichever is registered. */
  readonly ipFamily?: 4 | 6 | undefined
  /** Where else to go, in this order, when there are too few healthy instances. Goes before Consul's own failover. */
  readonly failover?: readonly FailoverTarget[] | undefined
  /** Honour the service's `service-resolver` where it has one. Default true. */
  readonly serverPolicy?: boolean | undefined
}

/** {@link ConsulOptions} with every default in its place. */
type Filled =
  | 'tags'
  | 'consistency'
  | 'cached'
  | 'maxStaleMs'
  | 'waitMs'
  | 'maxWatches'
  | 'network'
  | 'failover'
  | 'serverPolicy'
export type ParsedConsulOptions = Omit<ConsulOptions, Filled> & {
  readonly [Name in Filled]-?: NonNullable<ConsulOptions[Name]>
}

// Consul cuts longer ones to this (features/blocking).
const LONGEST_WAIT_MS = 600_000

// Consul's own default, and the longest that three things allow, derived in docs/decisions/0029-todays-consul.md.
// For as long a client may be blind: before 1.10 nothing wakes a query when its token loses rights
// (hashicorp/consul#5651) or the servers are restored from a snapshot, and from 1.10 on the end of a wait is when a
// stream is checked. With Consul's stagger of a sixteenth it is 318.75 s, within the 600 s for which retained instances
// stand in at most (removal.maxRetainMs); Consul's longest, 637.5 s, is beyond it. What drops idle connections of TCP
// (NAT, balancers; 240 s and 350 s in clouds) sees a probe of TCP's keep-alive each 60 s, which is undici's. Proxies
// that speak HTTP end a request after 15 to 300 s without an answer, which no default can suit: see WaitLimit.
const DEFAULT_WAIT_MS = 300_000

const name = (what: string): v.OptionalSchema<v.GenericSchema<string>, undefined> => v.optional(word(what))

export const consulSchema: v.GenericSchema<ConsulOptions, ParsedConsulOptions> = group({
  ...connectionEntries,
  datacenter: name('the name of a datacenter'),
  near: name('the name of a node, or _agent'),
  filter: name('a filter expression'),
  tags: v.optional(v.array(word('a tag'), 'a list of tags'), []),
  consistency: v.optional(
    v.picklist(['default', 'stale', 'consistent'], 'default, stale or consistent'),
    'default',
  ),
  cached: v.optional(flag, false),
  maxStaleMs: v.optional(milliseconds(0, LONGEST_MS), 10_000),
  waitMs: v.optional(milliseconds(1000, LONGEST_WAIT_MS), DEFAULT_WAIT_MS),
  maxWatches: v.optional(count(1, 65_535), 128),
  scheme: v.optional(v.picklist(['http', 'https'], 'http or https')),
  network: v.optional(v.picklist(['auto', 'lan', 'wan'], 'auto, lan or wan'), 'auto'),
  ipFamily: v.optional(v.picklist([4, 6], '4 or 6')),
  failover: v.optional(
    v.array(
      group({
        service: name('the name of a service'),
        datacenter: name('the name of a datacenter'),
        namespace: name('the name of a namespace'),
        partition: name('the name of a partition'),
        peer: name('the name of a peer'),
      }),
      'a list of places such as [{ datacenter: "dc2" }]',
    ),
    [],
  ),
  serverPolicy: v.optional(flag, true),
})

/**
 * @throws FairleadError `INVALID_OPTION` for what contradicts itself, and for a bad variable of the environment.
 */
export function parseConsul(given: ParsedConsulOptions, environment: Environment): ConsulResolverOptions {
  if (given.cached && given.consistency === 'consistent')
    throw invalidOption(
      'consul.cached',
      true,
      'false with consistency "consistent": Consul rejects both together',
    )
  if (given.serverPolicy && given.maxWatches < 2)
    throw invalidOption('consul.maxWatches', given.maxWatches, '2 or more with serverPolicy, which takes one')
  const agent = parseConnection(given, environment)
  const { datacenter, near, filter, tags, consistency, cached, ...rest } = given
  return {
    agent,
    // Namespace and partition are the connection's, unless a failover target names others.
    question: {
      datacenter,
      namespace: undefined,
      partition: undefined,
      peer: undefined,
      near,
      filter,
      tags,
      consistency,
      cached,
    },
    failover: rest.failover,
    scheme: rest.scheme,
    network: rest.network,
    ipFamily: rest.ipFamily,
    waitMs: rest.waitMs,
    maxStaleMs: rest.maxStaleMs,
    maxWatches: rest.maxWatches,
    serverPolicy: rest.serverPolicy,
  }
}
