import type { BalancerName, HashPolicyOption, StickyOptions } from '@fairlead/sdk'
import { Command, InvalidArgumentError, Option } from 'commander'
import { balancerNames, parseBalancerName } from './balancer-name.js'
import { unsetBlank } from './blank-variables.js'
import { collectHashOn } from './hash-on.js'
import { addLayerOptions, layersFrom, type LayerFlags, type LayerSettings } from './layers.js'
import { errorHelp } from '../error-codes.js'
import { groupOptions } from './option-groups.js'
import { addStickyOptions, stickyFrom, type StickyFlags } from './sticky.js'
import { LONGEST_MS, wholeNumber } from './whole-number.js'

/** A place to listen on. */
export interface Listen {
  /** A host name or an IP address; IPv6 without brackets. */
  readonly host: string
  /** 0 to 65,535; 0: any free one. */
  readonly port: number
}

/** Lines of this level and above it are written. Default `info`. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Everything the sidecar can be told; read once, at start. */
export interface Config {
  /** Where applications send their requests. */
  readonly listen: Listen
  /** Where health and endpoints can be asked for. */
  readonly admin: Listen
  /** Names besides those that are ours anyway, as of `OwnHosts`; with a dot in front all below as well. */
  readonly allowedHosts: readonly string[]
  /** The agent's address; undefined: `CONSUL_HTTP_ADDR`, else `http://127.0.0.1:8500`. */
  readonly consul: string | undefined
  /** Whose instances; undefined: the agent's own datacenter. */
  readonly datacenter: string | undefined
  /** Datacenters to go to, in this order, when there are too few healthy instances. */
  readonly failover: readonly string[]
  /** A folder for the last known sets; undefined: none is kept. */
  readonly snapshotDir: string | undefined
  /** Without a request for so long a service is no longer watched, in milliseconds; those of `services` always are. */
  readonly idleTimeoutMs: number
  /** Services to watch from the start; the others are watched from their first request on. */
  readonly services: readonly string[]
  /** So many instances each of `services` has to have had before `/readyz` says ready; 0: an answer of Consul is enough. */
  readonly readyMin: number
  /** Undefined: what Consul's service-resolver says, else the SDK's default. */
  readonly balancer: BalancerName | undefined
  /** What stands before the balancer. */
  readonly layers: LayerSettings
  /** Below this share of usable instances all that Consul calls healthy are used; 0: never. */
  readonly panicThreshold: number
  /** What `ring_hash`, `maglev` and `rendezvous` go by; empty: as for the balancer, else nothing. */
  readonly hashOn: readonly HashPolicyOption[]
  /** For all services, whose names `{service}` stands for in its own; undefined: no request has a session. */
  readonly sticky: StickyOptions | undefined
  /** From a request to the head of its response, in milliseconds; undefined: as for the balancer. */
  readonly timeoutMs: number | undefined
  /** How long requests in flight may take to finish after SIGTERM, in milliseconds. */
  readonly drainTimeoutMs: number
  /** How long an instance may be silent within the body of a response, in milliseconds; 0: for ever. */
  readonly bodyTimeoutMs: number
  /** The largest head of a response that is taken, in bytes; undefined: 16 KiB, or what Node was told. */
  readonly maxResponseHeaderBytes: number | undefined
  /** How long an application may pause within a request's body, or in reading a response, in milliseconds; 0: for ever. */
  readonly applicationTimeoutMs: number
  /** Services at most, as each costs one connection to the agent. */
  readonly maxServices: number
  /** Lines of this level and above it are written, as JSON on standard output. */
  readonly logLevel: LogLevel
}

interface Parsed
  extends Omit<Config, 'services' | 'allowedHosts' | 'sticky' | 'layers'>, StickyFlags, LayerFlags {
  readonly service: readonly string[]
  readonly allowedHost: readonly string[]
  readonly timeout: number | undefined
  readonly drainTimeout: number
  readonly idleTimeout: number
  readonly bodyTimeout: number
  readonly applicationTimeout: number
}

const EXAMPLES = `
How an application names the service it wants:
  curl -H 'Host: orders' http://127.0.0.1:4140/v1/orders/42
  curl -H 'Host: orders.service.consul' http://127.0.0.1:4140/v1/orders/42
  curl -H 'fairlead-service: orders' http://127.0.0.1:4140/v1/orders/42
  http_proxy=http://127.0.0.1:4140 curl http://orders/v1/orders/42

A request with fairlead-service, and any to --admin, must have a Host that no web page can come by (DNS rebinding): an
address, a name without a dot, of this machine, or below localhost, internal or consul; others by --allowed-host.

What Fairlead itself answers when there is no response to pass on
(header x-fairlead-error says which, the body says why):
${errorHelp()}

What ring_hash, maglev and rendezvous go by (--hash-on): all parts that a request has count together, and a request
that has none goes to any instance:
  header:NAME  the header; several of one name count in any order
  cookie:NAME  the cookie
  query:NAME   the first query parameter of that name, as it stands in the path
  path         the path without its query (header::path is the path with it)
  source_ip    the last address of X-Forwarded-For, which is what the application's own front saw, else that
               of the connection; a loopback address is none, being the same for every host

Sessions: the response of an instance sets a cookie or header, and requests that bring it go to that instance
while it is there, else to any, whose response sets it anew. It is opaque, and signed by a secret of 32 characters
or more from FAIRLEAD_STICKY_SECRET or --sticky-secret-file; of several the first signs, and all are accepted:
  --sticky-cookie NAME                          until the browser is closed, HttpOnly, SameSite=Lax
  --sticky-cookie 'NAME; Max-Age=3600; Secure'  also Path=, Domain= and SameSite=
  --sticky-header NAME                          for applications that keep it and send it themselves
{service} in a NAME is the name of the service, for applications that pass the same cookies on to several.

Before the balancer, which is --balancer or else peak_ewma where any of these is given:
  --zone NAME           stay in this zone as far as it has the capacity; instances have theirs in Consul's meta,
                        with fewer than six instances, of the subset if there is one, zones do not count
  --subset SIZE         use so many instances of each service, always the same; of all clients together evenly
                        where --subset-client says which of how many this is (7/300), else by the host's name
  --slow-start MS       give an instance that is new, or back, its share little by little

Asked on the admin address:
  /healthz    200 while the process is up
  /readyz     200 once every --service is known, with --ready-min instances; 503 before and while draining
  /endpoints  every service, its instances, their load and state, as JSON
  /explain    ?service=NAME[&path=PATH][&key=KEY]: why a request like this would go where it goes

Token, TLS and the rest of how to reach Consul are read from the variables of Consul's own client:
CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN (service:read, node:read), CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_AUTH,
CONSUL_HTTP_SSL, CONSUL_HTTP_SSL_VERIFY, CONSUL_CACERT, CONSUL_CAPATH, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY,
CONSUL_TLS_SERVER_NAME, CONSUL_NAMESPACE, CONSUL_PARTITION.
SIGTERM and SIGINT drain: no new connections, requests in flight finish; a second signal ends at once.`

/**
 * Reads the command line and the environment, where a variable that is empty or blank is one that is not set.
 *
 * @param argv Arguments only, without node and script.
 * @throws CommanderError naming the option, its value and what it should be; also to end for `--help`.
 */
export function parseConfig(argv: readonly string[], version: string): Config {
  const command = commandOf(version)
  unsetBlank(process.env)
  const parsed = command.parse(argv, { from: 'user' }).opts<Parsed>()
  if (parsed.readyMin > 0 && parsed.service.length === 0) {
    command.error('error: --ready-min is given, but no --service: say whose instances /readyz is to wait for')
  }
  return Object.freeze({
    listen: parsed.listen,
    admin: parsed.admin,
    allowedHosts: parsed.allowedHost,
    consul: parsed.consul,
    datacenter: parsed.datacenter,
    failover: parsed.failover,
    snapshotDir: parsed.snapshotDir,
    idleTimeoutMs: parsed.idleTimeout,
    services: parsed.service,
    readyMin: parsed.readyMin,
    balancer: parsed.balancer,
    layers: layersFrom(command, parsed),
    panicThreshold: parsed.panicThreshold,
    hashOn: parsed.hashOn,
    sticky: stickyFrom(command, parsed, process.env),
    timeoutMs: parsed.timeout,
    bodyTimeoutMs: parsed.bodyTimeout,
    maxResponseHeaderBytes: parsed.maxResponseHeaderBytes,
    applicationTimeoutMs: parsed.applicationTimeout,
    drainTimeoutMs: parsed.drainTimeout,
    maxServices: parsed.maxServices,
    logLevel: parsed.logLevel,
  })
}

/** The command line, which `--help` and docs/sidecar-configuration.md are made of: every option, with its group. */
export function commandOf(version: string): Command {
  const command = new Command('npx @fairlead/sidecar')
    .description(
      'Client-side load balancing from Consul for services in any language: an HTTP proxy on localhost that ' +
        'sends each request to a healthy, fast instance of the service it names.',
    )
    .version(version)
    .addOption(
      new Option('--listen <host:port>', 'where applications send their requests')
        .env('FAIRLEAD_LISTEN')
        .default({ host: '127.0.0.1', port: 4140 }, '127.0.0.1:4140')
        .argParser(parseListen),
    )
    .addOption(
      new Option('--admin <host:port>', 'where /healthz, /readyz, /endpoints and /explain are')
        .env('FAIRLEAD_ADMIN')
        .default({ host: '127.0.0.1', port: 4191 }, '127.0.0.1:4191')
        .argParser(parseListen),
    )
    .addOption(
      new Option(
        '--allowed-host <name>',
        'a further name that Host may have on --admin, and beside fairlead-service; repeat it, or separate by commas',
      )
        .env('FAIRLEAD_ALLOWED_HOST')
        .default([], 'none')
        .argParser(collectHosts),
    )
    .addOption(
      new Option('--consul <address>', 'the Consul agent (default: CONSUL_HTTP_ADDR, else 127.0.0.1:8500)'),
    )
    .addOption(
      new Option('--datacenter <name>', "whose instances (default: the agent's own datacenter)").env(
        'FAIRLEAD_DATACENTER',
      ),
    )
    .addOption(
      new Option(
        '--failover <datacenter>',
        'where to go when there are too few; repeat it, or separate by commas',
      )
        .env('FAIRLEAD_FAILOVER')
        .default([], "what Consul's service-resolver says")
        .argParser(collect),
    )
    .addOption(
      new Option(
        '--snapshot-dir <folder>',
        'keep the last known instances there, for a start without Consul',
      ).env('FAIRLEAD_SNAPSHOT_DIR'),
    )
    .addOption(
      new Option('--service <name>', 'watch this service from the start; repeat it, or separate by commas')
        .env('FAIRLEAD_SERVICE')
        .default([], 'none')
        .argParser(collect),
    )
    .addOption(
      new Option(
        '--ready-min <n>',
        'instances that each --service must have had for /readyz; 0: it is enough that Consul has answered',
      )
        .env('FAIRLEAD_READY_MIN')
        .default(0)
        .argParser(wholeNumber(0, 10_000)),
    )
    .addOption(
      new Option(
        '--balancer <name>',
        "how an instance is chosen (default: Consul's service-resolver, else peak_ewma)",
      )
        .env('FAIRLEAD_BALANCER')
        // For the help; the parser refuses the rest, and says what was meant.
        .choices(balancerNames)
        .argParser(parseBalancerName),
    )
    .addOption(
      new Option(
        '--hash-on <part>',
        'what ring_hash, maglev and rendezvous go by, as below; repeat it, or separate by commas',
      )
        .env('FAIRLEAD_HASH_ON')
        .default([], "what Consul's service-resolver says, else nothing")
        .argParser(collectHashOn),
    )
    .addOption(
      new Option(
        '--timeout <ms>',
        "until the head of a response, all attempts included (default: Consul's service-resolver, else 30000)",
      )
        .env('FAIRLEAD_TIMEOUT')
        .argParser(wholeNumber(1, LONGEST_MS)),
    )
    .addOption(
      new Option(
        '--body-timeout <ms>',
        'how long an instance may be silent within a response, also in an event stream; 0: for ever',
      )
        .env('FAIRLEAD_BODY_TIMEOUT')
        .default(300_000)
        .argParser(wholeNumber(0, LONGEST_MS)),
    )
    .addOption(
      new Option(
        '--max-response-header-bytes <n>',
        'the largest head of a response, 256 to 2^30; one that is larger fails its request (default: 16384)',
      )
        .env('FAIRLEAD_MAX_RESPONSE_HEADER_BYTES')
        .argParser(wholeNumber(256, 2 ** 30)),
    )
    .addOption(
      new Option(
        '--application-timeout <ms>',
        'how long an application may pause within a request body, or in reading a response; 0: for ever',
      )
        .env('FAIRLEAD_APPLICATION_TIMEOUT')
        .default(300_000)
        .argParser(wholeNumber(0, LONGEST_MS)),
    )
    .addOption(
      new Option('--drain-timeout <ms>', 'how long requests in flight may take after SIGTERM')
        .env('FAIRLEAD_DRAIN_TIMEOUT')
        .default(30_000)
        .argParser(wholeNumber(0, LONGEST_MS)),
    )
    .addOption(
      new Option(
        '--idle-timeout <ms>',
        'a service without requests is not watched after it, unless by --service',
      )
        .env('FAIRLEAD_IDLE_TIMEOUT')
        .default(600_000)
        .argParser(wholeNumber(1000, LONGEST_MS)),
    )
    .addOption(
      new Option('--max-services <n>', 'services at most; each costs a connection to the agent')
        .env('FAIRLEAD_MAX_SERVICES')
        .default(100)
        .argParser(wholeNumber(1, 10_000)),
    )
    .addOption(
      new Option('--log-level <level>', 'how much to log, as JSON lines on standard output')
        .env('FAIRLEAD_LOG_LEVEL')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addHelpText('after', EXAMPLES)
    .allowExcessArguments(false)
    .exitOverride()
  addLayerOptions(command)
  addStickyOptions(command)
  return groupOptions(command)
}

function parseListen(value: string): Listen {
  const [, host = '', digits = ''] = HOST_AND_PORT.exec(value) ?? []
  const port = Number(digits)
  if (digits === '' || port > 65_535 || !URL.canParse(`tcp://${value}`)) {
    throw new InvalidArgumentError('It must be host:port, such as 127.0.0.1:4140 or [::1]:4140.')
  }
  return { host: host.replace(/^\[|\]$/g, ''), port }
}

// IPv6 stands in brackets. What is in them, the URL parser judges.
const HOST_AND_PORT = /^(\[[\da-f:.]+\]|[\w.-]+):(\d{1,5})$/i

function collectHosts(value: string, before: readonly string[]): readonly string[] {
  const names = collect(value, before)
  const wrong = names.find((name) => !HOST_NAME.test(name))
  if (wrong === undefined) return names
  throw new InvalidArgumentError(
    `It must be a host name without a port, such as proxy.example.com, or .example.com for all below it, not ${JSON.stringify(wrong)}.`,
  )
}

// RFC 1123, 2.1, and the underscore that many have.
const HOST_NAME = /^\.?[\w-]+(?:\.[\w-]+)*$/

function collect(value: string, before: readonly string[]): readonly string[] {
  const names = value.split(',').map((name) => name.trim())
  if (!names.includes('')) return [...before, ...names]
  throw new InvalidArgumentError('It must be a name, or several with a comma between each two.')
}
