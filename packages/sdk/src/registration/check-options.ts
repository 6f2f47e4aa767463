import * as v from 'valibot'
import { count, flag, group, LONGEST_MS, milliseconds, word, table } from '../validation/schemas.js'

/** The status of a check, and of an instance. */
export type CheckStatus = 'passing' | 'warning' | 'critical'

interface AnyCheckOptions {
  /** Unique on the agent. Default: as Consul does it, `service:<id>`, and with several checks `service:<id>:<n>`. */
  readonly id?: string | undefined
  /** For people. Default: what it does. */
  readonly name?: string | undefined
  /** For people. */
  readonly notes?: string | undefined
}

interface ProbeOptions extends AnyCheckOptions {
  /** From one check to the next, in milliseconds, 1,000 or more (Consul's own least). Default 10,000. */
  readonly intervalMs?: number | undefined
  /** For one check, in milliseconds. Default: Consul's own 10,000, or the interval where that is shorter. */
  readonly timeoutMs?: number | undefined
  /** Passing checks in a row that end a bad status. Default 1. Consul 1.8 takes this from a file only, and ignores it here. */
  readonly successBeforePassing?: number | undefined
  /** Failing checks in a row that make it critical. Default 1. As the one above. */
  readonly failuresBeforeCritical?: number | undefined
  /** Until the first check. Default `critical`, as in Consul: no request comes before the agent has seen it work. */
  readonly initialStatus?: CheckStatus | undefined
}

/**
 * A heartbeat of this process, and the status that it reports: a process that hangs or dies is critical when its
 * time is up.
 */
export interface TtlCheckOptions extends AnyCheckOptions {
  /** This process reports its own status to the agent. */
  readonly kind: 'ttl'
  /**
   * Without a heartbeat for so long it is critical, in milliseconds, 3,000 or more. They come at a third of it.
   * Default 15,000.
   */
  readonly ttlMs?: number | undefined
}

/** The agent asks by HTTP: 2xx passes, 429 is a warning, all else is critical. */
export interface HttpCheckOptions extends ProbeOptions {
  /** The agent sends an HTTP request. */
  readonly kind: 'http'
  /** A URL as the agent sees it; or a path, on the address of the instance (`127.0.0.1` where it has none). */
  readonly url: string
  /** Default `GET`. */
  readonly method?: string | undefined
  /** Headers of that request, one value or several. Default: Consul's own. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined
  /** Its body, as text. Default: none. */
  readonly body?: string | undefined
  /** Accept any certificate. Default false. */
  readonly tlsSkipVerify?: boolean | undefined
  /** The name in the certificate, where it is not the URL's. Consul 1.9 or newer. */
  readonly tlsServerName?: string | undefined
}

/** The agent connects. */
export interface TcpCheckOptions extends ProbeOptions {
  /** The agent opens a TCP connection: what accepts it passes. */
  readonly kind: 'tcp'
  /** `host:port` as the agent sees it. Default: those of the instance (`127.0.0.1` where it has no address). */
  readonly address?: string | undefined
}

/** The agent asks by gRPC's own health protocol, `grpc.health.v1.Health/Check`. */
export interface GrpcCheckOptions extends ProbeOptions {
  /** The agent calls gRPC's health service. */
  readonly kind: 'grpc'
  /** `host:port` as the agent sees it. Default: those of the instance (`127.0.0.1` where it has no address). */
  readonly address?: string | undefined
  /** The gRPC service to ask about. Default: the whole server. */
  readonly service?: string | undefined
  /** Call it over TLS. Default false. */
  readonly tls?: boolean | undefined
  /** Accept any certificate. Default false. */
  readonly tlsSkipVerify?: boolean | undefined
}

/** How it is known whether the instance is well. */
export type CheckOptions = TtlCheckOptions | HttpCheckOptions | TcpCheckOptions | GrpcCheckOptions

/** {@link CheckOptions} with the defaults that do not depend on the instance. */
export type ParsedCheck =
  | (TtlCheckOptions & { readonly ttlMs: number })
  | ((HttpCheckOptions | TcpCheckOptions | GrpcCheckOptions) & ParsedProbe)

interface ParsedProbe {
  readonly intervalMs: number
  readonly initialStatus: CheckStatus
}

// Three heartbeats fit in, so that one that is lost and one that is late do no harm; and a process that is gone gets
// no requests after 15 s at the latest, which is before its instance would be noticed by hand.
const DEFAULT_TTL_MS = 15_000

// A heartbeat a second. With less, a long pause for garbage or a slow disk of the agent looks like death.
const LEAST_TTL_MS = 3000

const text = (what: string): v.OptionalSchema<v.GenericSchema<string>, undefined> => v.optional(word(what))

// In a path of the agent's API, and in what people type.
const ID = /^[^\s/?#%"'`\\\p{Cc}]{1,255}$/u
const ID_TEXT = '1 to 255 characters, none of them a blank, a quote or one of / ? # % \\'

/** The id of a service or of a check. Consul takes anything, and then cannot be asked about it by path. */
export const idSchema: v.GenericSchema<string> = v.pipe(v.string(ID_TEXT), v.regex(ID, ID_TEXT))

const any = {
  id: v.optional(idSchema),
  name: text('text that is not empty'),
  notes: text('text that is not empty'),
}

const status = v.picklist(['passing', 'warning', 'critical'], 'passing, warning or critical')

const probe = {
  ...any,
  // "has interval below minimum of 1s", the agent logs, and takes 1 s.
  intervalMs: v.optional(milliseconds(1000, LONGEST_MS), 10_000),
  timeoutMs: v.optional(milliseconds(1, LONGEST_MS)),
  successBeforePassing: v.optional(count(1, 1000)),
  failuresBeforeCritical: v.optional(count(1, 1000)),
  initialStatus: v.optional(status, 'critical'),
}

const URL_TEXT = 'http://..., https://..., or a path that begins with /'
// One that is missing is as bad as an empty one; valibot has no words of ours for what is not there.
const url = v.optional(
  v.pipe(
    v.string(URL_TEXT),
    v.check((url) => url.startsWith('/') || (/^https?:\/\//.test(url) && URL.canParse(url)), URL_TEXT),
  ),
  '',
) as unknown as v.GenericSchema<string>

const ADDRESS_TEXT = 'host:port'
const address = v.optional(
  v.pipe(v.string(ADDRESS_TEXT), v.regex(/^(?:[^\s:/]+|\[[\da-f:.]+\]):\d{1,5}$/i, ADDRESS_TEXT)),
)

export const checkSchema: v.GenericSchema<CheckOptions, ParsedCheck> = v.variant(
  'kind',
  [
    group({
      kind: v.literal('ttl'),
      ...any,
      ttlMs: v.optional(milliseconds(LEAST_TTL_MS, LONGEST_MS), DEFAULT_TTL_MS),
    }),
    group({
      kind: v.literal('http'),
      ...probe,
      url,
      method: v.optional(
        v.pipe(v.string('an HTTP method'), v.regex(/^[A-Z]+$/, 'an HTTP method, in capitals')),
      ),
      headers: v.optional(
        table(
          v.pipe(v.string(), v.regex(/^[!#$%&'*+.^_`|~\w-]+$/, 'the name of a header')),
          v.union([v.string(), v.array(v.string())], 'the value of a header, or a list of them'),
          'an object of headers',
        ),
      ),
      body: v.optional(v.string('text')),
      tlsSkipVerify: v.optional(flag),
      tlsServerName: text('a host name'),
    }),
    group({ kind: v.literal('tcp'), ...probe, address }),
    group({
      kind: v.literal('grpc'),
      ...probe,
      address,
      service: text('the name of a gRPC service'),
      tls: v.optional(flag),
      tlsSkipVerify: v.optional(flag),
    }),
  ],
  'an object with kind: "ttl", "http", "tcp" or "grpc"',
)

/** Where no check is configured. */
export const DEFAULT_CHECK: ParsedCheck = { kind: 'ttl', ttlMs: DEFAULT_TTL_MS }
