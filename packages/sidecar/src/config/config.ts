import type { AdmissionOptions, BalancerName, HashPolicyOption, StickyOptions } from '@fairlead/sdk'
import { Command } from 'commander'
import { admissionFrom, type AdmissionFlags } from './admission.js'
import { unsetBlank } from './blank-variables.js'
import { addFlags } from './flags.js'
import { HELP } from './help.js'
import { groupOptions } from './option-groups.js'
import { layersFrom, type LayerFlags, type LayerSettings } from './layers.js'
import type { Listen } from './listen.js'
import { stickyFrom, type StickyFlags } from './sticky.js'

/** Lines of this level and above it are written. Default `info`. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** The sidecar's configuration; read once, at start. */
export interface Config {
  /** Where applications send their requests. */
  readonly listen: Listen
  /** Where health and endpoints are served. */
  readonly admin: Listen
  /** Host names accepted beyond those of `OwnHosts`; one with a leading dot covers all its subdomains. */
  readonly allowedHosts: readonly string[]
  /** The agent's address; undefined: `CONSUL_HTTP_ADDR`, else `http://127.0.0.1:8500`. */
  readonly consul: string | undefined
  /** The datacenter of the instances; undefined: the agent's own. */
  readonly datacenter: string | undefined
  /** Datacenters to fail over to, in this order, when there are too few healthy instances. */
  readonly failover: readonly string[]
  /** A folder for snapshots of the last known instances; undefined: no snapshots. */
  readonly snapshotDir: string | undefined
  /** A service without a request for this long is no longer watched, in milliseconds; `services` always are. */
  readonly idleTimeoutMs: number
  /** Services to watch from the start; others are watched from their first request on. */
  readonly services: readonly string[]
  /** Instances that each of `services` must have had before `/readyz` is 200; 0: an answer from Consul is enough. */
  readonly readyMin: number
  /** Undefined: as Consul's service-resolver configures, else the SDK's default. */
  readonly balancer: BalancerName | undefined
  /** The layers around the balancer. */
  readonly layers: LayerSettings
  /** Panic threshold: below this share of available instances, all that Consul calls healthy are used; 0: never. */
  readonly panicThreshold: number
  /** The hash key of `ring_hash`, `maglev` and `rendezvous`; empty: as for the balancer, else no key. */
  readonly hashOn: readonly HashPolicyOption[]
  /** Sticky sessions of all services; `{service}` in the name is the service's name. Undefined: no sessions. */
  readonly sticky: StickyOptions | undefined
  /** From a request to the head of its response, in milliseconds; undefined: as for the balancer. */
  readonly timeoutMs: number | undefined
  /** The limit of requests in flight of each service, and its queue; undefined: no limit. */
  readonly admission: AdmissionOptions | undefined
  /** How long requests in flight may take to finish after SIGTERM, in milliseconds. */
  readonly drainTimeoutMs: number
  /** How long an instance may be silent within the body of a response, in milliseconds; 0: indefinitely. */
  readonly bodyTimeoutMs: number
  /** The largest accepted response head, in bytes; undefined: 16 KiB, or Node's `--max-http-header-size`. */
  readonly maxResponseHeaderBytes: number | undefined
  /** How long an application may pause within a request's body, or in reading a response, in milliseconds; 0: indefinitely. */
  readonly applicationTimeoutMs: number
  /** The limit of services, as each costs one connection to the agent. */
  readonly maxServices: number
  /** Lines of this level and above it are written, as JSON on standard output. */
  readonly logLevel: LogLevel
}

interface Parsed
  extends
    Omit<Config, 'services' | 'allowedHosts' | 'sticky' | 'layers' | 'admission'>,
    StickyFlags,
    LayerFlags,
    AdmissionFlags {
  readonly service: readonly string[]
  readonly allowedHost: readonly string[]
  readonly timeout: number | undefined
  readonly drainTimeout: number
  readonly idleTimeout: number
  readonly bodyTimeout: number
  readonly applicationTimeout: number
}

/**
 * Reads the command line and the environment, where an empty or blank variable counts as not set.
 *
 * @param argv Arguments only, without node and script.
 * @throws CommanderError naming the option, its value and what it should be; also thrown to end after `--help`.
 */
export function parseConfig(argv: readonly string[], version: string): Config {
  const command = commandOf(version)
  unsetBlank(process.env)
  const parsed = command.parse(argv, { from: 'user' }).opts<Parsed>()
  if (parsed.readyMin > 0 && parsed.service.length === 0) {
    command.error(
      'error: --ready-min is set without a --service: name the services whose instances /readyz waits for',
    )
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
    admission: admissionFrom(command, parsed),
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
    .addHelpText('after', HELP)
    .allowExcessArguments(false)
    .exitOverride()
  addFlags(command)
  return groupOptions(command)
}
