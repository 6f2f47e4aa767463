import cluster from 'node:cluster'
import { hostname } from 'node:os'
import * as v from 'valibot'
import type { Clock } from '../clock.js'
import type { AgentOptions } from '../consul/agent.js'
import {
  connectionEntries,
  parseConnection,
  variableOf,
  type ConsulConnectionOptions,
  type Environment,
} from '../consul/connection-options.js'
import type { Logger } from '../logger.js'
import { loggerSchema } from '../validation/logger-option.js'
import { count, flag, group, having, LONGEST_MS, milliseconds, table, word } from '../validation/schemas.js'
import { invalidOption } from '../validation/invalid-option.js'
import { checked, readable } from '../validation/checked.js'
import { parseServiceName } from '../validation/service-name.js'
import type { Random } from '../random.js'
import { checkSchema, DEFAULT_CHECK, idSchema, type CheckOptions, type ParsedCheck } from './check-options.js'

/** One of the addresses under which an instance is known to others. */
export interface TaggedAddress {
  /** A host name or an IP address, without scheme and port. */
  readonly address: string
  /** Default: the instance's own. */
  readonly port?: number | undefined
}

/** Consul's names for the networks that an address is known in. */
export type AddressTag = 'lan' | 'lan_ipv4' | 'lan_ipv6' | 'wan' | 'wan_ipv4' | 'wan_ipv6'

/** What an instance is to Consul. All but name and port has a default. */
export interface RegisterOptions {
  /** The service's name, by which clients find it. */
  readonly name: string
  /** Where the server listens, 1 to 65,535: `server.address().port`. */
  readonly port: number
  /**
   * Unique on the agent: another registration with it, by whatever process, takes its place, and this one leaves it alone
   * from then on. Default `<name>-<hostname>-<port>`, and in a worker of `node:cluster` or PM2 with its number behind:
   * workers of one port are one endpoint to clients, and each leaves by itself.
   */
  readonly id?: string | undefined
  /** A host name or IP, for clients. Default: that of the agent's node. */
  readonly address?: string | undefined
  /** Shares of the load, by status: passing 1 to 65,535, warning 0 to 65,535. Default 1 and 1, as in Consul. */
  readonly weights?:
    | {
        /** While its checks pass. Default 1. */
        readonly passing?: number | undefined
        /** While one of them warns. Default 1. */
        readonly warning?: number | undefined
      }
    | undefined
  /** Tags of the service, for clients that select by them (`consul.tags`). Default: none. */
  readonly tags?: readonly string[] | undefined
  /** At most 63 pairs, as Consul takes 64 and one is ours; keys of at most 128 letters, digits, `-` and `_`, values of at most 512 bytes. */
  readonly meta?: Readonly<Record<string, string>> | undefined
  /** Other addresses, by Consul's names for them. */
  readonly taggedAddresses?: { readonly [Tag in AddressTag]?: TaggedAddress | undefined } | undefined
  /** May others change the tags in the catalog? Default false: the agent puts them right again. */
  readonly enableTagOverride?: boolean | undefined
  /** The one check. */
  readonly check?: CheckOptions | undefined
  /** Several checks, or `[]` for none at all. Default: one of kind `ttl`. */
  readonly checks?: readonly CheckOptions[] | undefined
  /**
   * An instance that is critical for so long is deregistered by Consul, in milliseconds, 60,000 or more; `false`: never.
   * Default 600,000: what is unwell stays to be looked at, what has died does not stay indefinitely. If this process is
   * alive, it registers again.
   */
  readonly deregisterCriticalServiceAfterMs?: number | false | undefined
  /**
   * Which agent: the one of this machine, as the agent that a service is registered with has to watch over it. Its token
   * needs `service:write`; and `node:read`, for a drain to see what clients see.
   */
  readonly consul?: ConsulConnectionOptions | undefined
  /** Default: pino on standard output from level `warn`. */
  readonly logger?: Logger | undefined
  /** For tests. Default: the machine's. */
  readonly clock?: Clock | undefined
  /** For tests. Default: seeded from the machine. */
  readonly random?: Random | undefined
}

/** {@link RegisterOptions} with every default in its place. */
export interface RegisterSettings {
  readonly agent: AgentOptions
  readonly name: string
  readonly port: number
  readonly id: string
  readonly address: string | undefined
  readonly weights: { readonly passing: number; readonly warning: number }
  readonly tags: readonly string[]
  readonly meta: Readonly<Record<string, string>>
  readonly taggedAddresses: RegisterOptions['taggedAddresses']
  readonly enableTagOverride: boolean
  readonly checks: readonly ParsedCheck[]
  readonly deregisterCriticalServiceAfterMs: number | false
  readonly logger: Logger | undefined
  readonly clock: Clock | undefined
  readonly random: Random | undefined
}

const ADDRESS_TEXT = 'a host name or an IP that clients can connect to, without scheme and port'
// A colon twice or more is IPv6.
const ADDRESS = /^(?:[^\s:/?#@[\]]+|[\da-f]*:[\da-f:.]*:[\da-f.]*)$/i
// "Invalid service address", says Consul.
const UNSPECIFIED: ReadonlySet<string> = new Set(['0.0.0.0', '::', '0:0:0:0:0:0:0:0'])

const host = v.pipe(
  v.string(ADDRESS_TEXT),
  v.check((address) => ADDRESS.test(address) && !UNSPECIFIED.has(address), ADDRESS_TEXT),
)

const tagged = v.optional(group({ address: host, port: v.optional(count(1, 65_535)) }))

const META_KEY = /^(?!consul-|fairlead-)[\w-]{1,128}$/
const META_KEY_TEXT =
  'a key of 1 to 128 letters, digits, "-" and "_" that does not begin with consul- or fairlead-, which are Consul\'s and ours'
const META_VALUE_TEXT = 'text of at most 512 bytes'
const META_TEXT = 'an object of at most 63 pairs of text'

const PORT_TEXT = 'the port that the server listens on, 1 to 65535, such as server.address().port'

const schema = group({
  name: v.unknown(),
  port: v.pipe(
    v.number(PORT_TEXT),
    v.integer(PORT_TEXT),
    v.minValue(1, PORT_TEXT),
    v.maxValue(65_535, PORT_TEXT),
  ),
  id: v.optional(idSchema),
  address: v.optional(host),
  // Consul rejects a passing weight of 0: a share of nothing is what maintenance is for.
  weights: v.optional(
    group({
      passing: v.optional(count(1, 65_535), 1),
      warning: v.optional(count(0, 65_535), 1),
    }),
    {},
  ),
  tags: v.optional(v.array(word('a tag'), 'a list of tags'), []),
  // The limits of Consul's structs.ValidateServiceMetadata, less the pair that says whose it is. Its lengths are of bytes.
  meta: v.optional(
    v.pipe(
      table(
        v.pipe(v.string(), v.regex(META_KEY, META_KEY_TEXT)),
        v.pipe(
          v.string(META_VALUE_TEXT),
          v.check((value) => Buffer.byteLength(value) <= 512, META_VALUE_TEXT),
        ),
        META_TEXT,
      ),
      v.check((meta) => Object.keys(meta).length <= 63, META_TEXT),
    ),
    {},
  ),
  taggedAddresses: v.optional(
    group({
      lan: tagged,
      lan_ipv4: tagged,
      lan_ipv6: tagged,
      wan: tagged,
      wan_ipv4: tagged,
      wan_ipv6: tagged,
    }),
  ),
  enableTagOverride: v.optional(flag, false),
  check: v.optional(checkSchema),
  checks: v.optional(v.array(checkSchema, 'a list of checks')),
  deregisterCriticalServiceAfterMs: v.optional(
    v.union(
      // Consul takes less, and then takes it for a minute.
      [v.literal(false), milliseconds(60_000, 30 * LONGEST_MS)],
      `false, or a whole number of milliseconds from 60000 to ${30 * LONGEST_MS}`,
    ),
    600_000,
  ),
  consul: v.optional(group(connectionEntries), {}),
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
 * Checks what is to be registered, before anything is sent, by Consul's own limits and by what its clients need.
 *
 * @throws FairleadError `INVALID_OPTION`, naming the option, its value and what it should be.
 */
export function parseRegistration(options: unknown, environment: Environment): RegisterSettings {
  // What must be there is reported in its own words then, not as a key that is missing.
  const named = readable('options', options, () => ({
    name: undefined,
    port: undefined,
    ...(options as object | undefined),
  }))
  const given = checked(schema, named)
  const { name: asked, id, consul, check, checks, ...rest } = given
  const { service: name } = parseServiceName(asked, 'name')
  // An agent that serves registers itself so: what has this id takes the servers out of the catalog.
  if (name === 'consul')
    throw invalidOption('name', name, "another name: this one is that of Consul's own servers")
  if (id === 'consul') throw invalidOption('id', id, "another id: this one is that of Consul's own servers")
  if (check !== undefined && checks !== undefined)
    throw invalidOption('check', check, 'absent where checks is given: put it on that list')
  const chosen = checks ?? [check ?? DEFAULT_CHECK]
  requireUniqueIds(chosen)
  return {
    ...rest,
    agent: parseConnection(consul, environment),
    name,
    id: id ?? `${name}-${hostname()}-${rest.port}${workerOf(environment)}`,
    address: rest.address,
    taggedAddresses: rest.taggedAddresses,
    checks: chosen,
    logger: rest.logger,
    clock: rest.clock,
    random: rest.random,
  }
}

/** Workers share a port, and with it all that an id could be made of but their number. */
function workerOf(environment: Environment): string {
  const { worker } = cluster
  // PM2's own number comes again with the worker that follows one; that of node:cluster never does.
  return worker === undefined ? '' : `-${variableOf(environment, 'NODE_APP_INSTANCE') ?? worker.id}`
}

function requireUniqueIds(checks: readonly ParsedCheck[]): void {
  const ids = new Set<string>()
  for (const [index, { id }] of checks.entries()) {
    if (id !== undefined && ids.has(id))
      throw invalidOption(`checks[${index}].id`, id, 'an id of its own, or absent')
    if (id !== undefined) ids.add(id)
  }
}
