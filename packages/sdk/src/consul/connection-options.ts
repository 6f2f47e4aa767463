import * as v from 'valibot'
import { FairleadError } from '../errors.js'
import { invalidOption } from '../validation/invalid-option.js'
import { flag, group, word } from '../validation/schemas.js'
import { hidden } from '../validation/validation-error.js'
import { parseAddress, type GivenAddress } from './agent-address.js'
import type { AgentOptions } from './agent.js'

/** How to speak TLS with the agent. Files are read again when they change. */
export interface ConsulTlsOptions {
  /** PEM file of the authority that signed the agent's certificate. Default: `CONSUL_CACERT`, else those of Node. */
  readonly caFile?: string | undefined
  /** A folder of such files (`.pem`, `.crt`, `.cer`). Default: `CONSUL_CAPATH`. */
  readonly caPath?: string | undefined
  /** Our own certificate, for mTLS; PEM. Default: `CONSUL_CLIENT_CERT`. */
  readonly certFile?: string | undefined
  /** Its key; PEM. Default: `CONSUL_CLIENT_KEY`. */
  readonly keyFile?: string | undefined
  /** The name in the agent's certificate, where it is not that of the address. Default: `CONSUL_TLS_SERVER_NAME`. */
  readonly serverName?: string | undefined
  /** `false` accepts any certificate. Default: `CONSUL_HTTP_SSL_VERIFY`, else true. */
  readonly verify?: boolean | undefined
}

/** Where the agent is, and who we are to it. */
export interface ConsulConnectionOptions {
  /**
   * `http://host:port`, `https://host:port`, `host:port` or `unix:///path`; a path behind host and port stands before
   * `/v1` in each request. Default: `CONSUL_HTTP_ADDR`, else `http://127.0.0.1:8500`. `CONSUL_HTTP_SSL=true` makes
   * https of an address without a scheme, and of one in `CONSUL_HTTP_ADDR` whatever its scheme, as in Consul's own
   * client; the option `tls` makes https of one without a scheme.
   */
  readonly address?: string | undefined
  /** ACL token. Default: `CONSUL_HTTP_TOKEN`, else none. */
  readonly token?: string | undefined
  /**
   * A file that holds the ACL token; goes before `token`, and is read again when the agent rejects what it held.
   * Default: `CONSUL_HTTP_TOKEN_FILE`.
   */
  readonly tokenFile?: string | undefined
  /** Send the token as `Authorization: Bearer` instead of `X-Consul-Token`. Default false. */
  readonly bearer?: boolean | undefined
  /** `user:password` for a proxy in front of the agent that asks for HTTP Basic. Default: `CONSUL_HTTP_AUTH`. */
  readonly basicAuth?: string | undefined
  /** Consul Enterprise. Default: `CONSUL_NAMESPACE`, else the token's own. */
  readonly namespace?: string | undefined
  /** Consul Enterprise. Default: `CONSUL_PARTITION`, else the agent's own. */
  readonly partition?: string | undefined
  /** Certificates for https to the agent. Default: Consul's own variables, see each field. */
  readonly tls?: ConsulTlsOptions | undefined
}

export type Environment = Readonly<Record<string, string | undefined>>

type Optional<T> = v.OptionalSchema<v.GenericSchema<T>, undefined>

const path = v.optional(word('the path of a file'))

// What a header can carry; a file that was not trimmed ends by a line break.
const TOKEN = /^[\x21-\x7e]+$/
const TOKEN_TEXT = 'a token: visible ASCII without blanks'

/** The entries of {@link ConsulConnectionOptions}, for schemas that have more. */
export const connectionEntries: {
  readonly [Name in keyof ConsulConnectionOptions]-?: Optional<NonNullable<ConsulConnectionOptions[Name]>>
} = {
  address: v.optional(v.string('a string such as "http://127.0.0.1:8500"')),
  token: v.optional(v.pipe(v.string(TOKEN_TEXT), v.trim(), v.regex(TOKEN, TOKEN_TEXT))),
  tokenFile: path,
  bearer: v.optional(flag),
  basicAuth: v.optional(v.pipe(v.string('user:password'), v.includes(':', 'user:password'))),
  namespace: v.optional(word('the name of a namespace')),
  partition: v.optional(word('the name of a partition')),
  tls: v.optional(
    group({
      caFile: path,
      caPath: v.optional(word('the path of a folder')),
      certFile: path,
      keyFile: path,
      serverName: v.optional(word('a host name')),
      verify: v.optional(flag),
    }),
  ),
}

/**
 * Fills in what the environment says: every variable of Consul's own client that concerns HTTP.
 *
 * @throws FairleadError `INVALID_OPTION`, naming the option or the variable, its value and what it should be.
 */
export function parseConnection(given: ConsulConnectionOptions, environment: Environment): AgentOptions {
  const variable = (name: string): string | undefined => variableOf(environment, name)
  const { tls } = given
  const parsed: AgentOptions = {
    ...parseAddress(addressIn(given, environment)),
    // A token that is given goes before one of the environment, wherever that is from.
    token: given.token ?? (given.tokenFile === undefined ? tokenOf(environment) : undefined),
    tokenFile:
      given.tokenFile ?? (given.token === undefined ? variable('CONSUL_HTTP_TOKEN_FILE') : undefined),
    bearer: given.bearer ?? false,
    basicAuth: given.basicAuth ?? withPassword(variable('CONSUL_HTTP_AUTH')),
    namespace: given.namespace ?? variable('CONSUL_NAMESPACE'),
    partition: given.partition ?? variable('CONSUL_PARTITION'),
    tls: {
      caFile: tls?.caFile ?? variable('CONSUL_CACERT'),
      caPath: tls?.caPath ?? variable('CONSUL_CAPATH'),
      certFile: tls?.certFile ?? variable('CONSUL_CLIENT_CERT'),
      keyFile: tls?.keyFile ?? variable('CONSUL_CLIENT_KEY'),
      serverName: tls?.serverName ?? withoutPort(variable('CONSUL_TLS_SERVER_NAME')),
      verify: tls?.verify ?? truthOf(environment, 'CONSUL_HTTP_SSL_VERIFY') ?? true,
    },
  }
  const { certFile, keyFile } = parsed.tls
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw invalidOption(
      certFile === undefined ? 'consul.tls.certFile' : 'consul.tls.keyFile',
      undefined,
      'given as well: a certificate and its key come together (CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY)',
    )
  }
  if (parsed.bearer && parsed.basicAuth !== undefined)
    throw invalidOption('consul.bearer', true, 'false with basicAuth, as both are the header Authorization')
  return parsed
}

/** Empty is unset, as for Consul's own client, and so is blank, which is a value of none of them. */
export function variableOf(environment: Environment, name: string): string | undefined {
  const value = environment[name]
  return value === undefined || value.trim() === '' ? undefined : value
}

function tokenOf(environment: Environment): string | undefined {
  const token = variableOf(environment, 'CONSUL_HTTP_TOKEN')?.trim()
  if (token !== undefined && !TOKEN.test(token))
    throw new FairleadError(
      'INVALID_OPTION',
      `environment variable CONSUL_HTTP_TOKEN is ${hidden(token)}: it must be ${TOKEN_TEXT}`,
    )
  return token
}

function addressIn({ address, tls }: ConsulConnectionOptions, environment: Environment): GivenAddress {
  const secure = truthOf(environment, 'CONSUL_HTTP_SSL') === true
  return {
    name: address === undefined ? 'environment variable CONSUL_HTTP_ADDR' : 'consul.address',
    text: address ?? variableOf(environment, 'CONSUL_HTTP_ADDR') ?? '127.0.0.1:8500',
    scheme: secure || tls !== undefined ? 'https' : 'http',
    secured: secure && address === undefined,
    tls: tls !== undefined,
  }
}

/** A user alone has an empty password. */
function withPassword(user: string | undefined): string | undefined {
  return user === undefined || user.includes(':') ? user : `${user}:`
}

/** Consul's own client takes `host:port` there as well. */
function withoutPort(name: string | undefined): string | undefined {
  return name?.replace(/:\d+$/, '')
}

// What Go's strconv.ParseBool takes, as Consul's own client reads them with it.
const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

function truthOf(environment: Environment, name: string): boolean | undefined {
  const value = variableOf(environment, name)
  if (value === undefined) return undefined
  if (TRUE.has(value)) return true
  if (FALSE.has(value)) return false
  throw invalidOption(`environment variable ${name}`, value, 'true or false')
}
