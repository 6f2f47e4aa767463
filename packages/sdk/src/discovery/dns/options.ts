import { isIP, isIPv4, isIPv6 } from 'node:net'
import * as v from 'valibot'
import type { Clock } from '../../clock.js'
import type { Random } from '../../random.js'
import { invalidOption } from '../../validation/invalid-option.js'
import { checked } from '../../validation/checked.js'
import { count, group, milliseconds } from '../../validation/schemas.js'

/** What `dnsResolver` asks DNS for, how often, and which servers. */
export interface DnsResolverOptions {
  /**
   * The name to ask for, or how it follows from the service's. As there is no search list, it has to be complete.
   * Default: the service's name.
   */
  readonly name?: string | ((service: string) => string) | undefined
  /** The port of every instance: addresses (A and AAAA) are queried. Default: SRV records, which bring ports. */
  readonly port?: number | undefined
  /** How instances are spoken to. Default `http`. */
  readonly scheme?: 'http' | 'https' | undefined
  /** IP addresses of DNS servers, with a port where that is not 53: `127.0.0.1:8600`. Default: the machine's. */
  readonly servers?: readonly string[] | undefined
  /**
   * How often to ask for what has no time to live (SRV records, as node does not tell theirs; no records), in
   * milliseconds, 1,000 to 3,600,000. Default 30,000.
   */
  readonly refreshMs?: number | undefined
  /** Addresses are queried again when their time to live is over, but not sooner than this, in milliseconds. Default 1,000. */
  readonly minTtlMs?: number | undefined
  /** And not later than this, in milliseconds. Default 300,000. */
  readonly maxTtlMs?: number | undefined
  /** For the first attempt at each server, in milliseconds, 10 to 60,000; each further one gets twice as long. Default 2,000. */
  readonly timeoutMs?: number | undefined
  /** Attempts at each server, 1 to 10. Default 2. */
  readonly tries?: number | undefined
  /** For tests. Default: the machine's. */
  readonly clock?: Clock | undefined
  /** For tests. Default: seeded from the machine. */
  readonly random?: Random | undefined
}

const NAME = 'a DNS name, or a function (service) => name'
const SERVER = 'an IP address, with a port where that is not 53, such as "127.0.0.1:8600"'

const LONGEST_INTERVAL_MS = 3_600_000

const schema = group(
  {
    name: v.optional(
      v.union(
        [
          v.pipe(v.string(NAME), v.minLength(1, NAME)),
          v.custom<(service: string) => string>((value) => typeof value === 'function'),
        ],
        NAME,
      ),
      () => (service: string) => service,
    ),
    port: v.optional(count(1, 65_535)),
    scheme: v.optional(v.picklist(['http', 'https'], 'http or https'), 'http'),
    servers: v.optional(
      v.pipe(
        v.array(v.pipe(v.string(SERVER), v.check(isServer, SERVER)), 'a list of IP addresses'),
        v.minLength(1, 'a list with a server in it'),
      ),
    ),
    // gRPC's DNS resolver leaves as much time between two queries, and kubeadm gives names in CoreDNS 30 s to live.
    refreshMs: v.optional(milliseconds(1000, LONGEST_INTERVAL_MS), 30_000),
    // Consul sends 0, "do not keep": once a second is what a name server can bear of every client.
    minTtlMs: v.optional(milliseconds(100, LONGEST_INTERVAL_MS), 1000),
    // As long as Consul's own clients may go without news (its default `wait`): a time to live of a day is meant for
    // caches, and would send requests to a machine that is gone for that long.
    maxTtlMs: v.optional(milliseconds(100, LONGEST_INTERVAL_MS), 300_000),
    // c-ares' own default. One lost packet costs no more, and two attempts end within 2 + 4 s for each server.
    timeoutMs: v.optional(milliseconds(10, 60_000), 2000),
    tries: v.optional(count(1, 10), 2),
    clock: v.optional(v.custom<Clock>((value) => typeof value === 'object' && value !== null, 'a clock')),
    random: v.optional(
      v.custom<Random>((value) => typeof value === 'object' && value !== null, 'a source of randomness'),
    ),
  },
  'an object of options',
)

/** Options with every default in its place. */
export interface DnsSettings {
  readonly name: string | ((service: string) => string)
  readonly port?: number | undefined
  readonly scheme: 'http' | 'https'
  readonly servers?: readonly string[] | undefined
  readonly refreshMs: number
  readonly minTtlMs: number
  readonly maxTtlMs: number
  readonly timeoutMs: number
  readonly tries: number
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

/** @throws FairleadError `INVALID_OPTION`. */
export function parseDnsOptions(options: unknown): DnsSettings {
  const given = checked(schema, options)
  const { minTtlMs, maxTtlMs } = given
  if (minTtlMs > maxTtlMs) throw invalidOption('minTtlMs', minTtlMs, `at most maxTtlMs, which is ${maxTtlMs}`)
  return given
}

/** node's own check lets a port above 65,535 pass, as another one. */
function isServer(text: string): boolean {
  if (isIP(text) !== 0) return true
  const [, v6, v4, port = '53'] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const address = v6 === undefined ? isIPv4(v4 ?? '') : isIPv6(v6)
  return address && Number(port) >= 1 && Number(port) <= 65_535
}
