import { inBackground, systemClock } from '../../clock.js'
import { systemRandom, type Random } from '../../random.js'
import { backoffDelay } from '../../pacing/backoff.js'
import { DnsClient } from './client.js'
import { instancesOfAddresses, instancesOfSrv } from './instances.js'
import { parseDnsOptions, type DnsResolverOptions, type DnsSettings } from './options.js'
import type { HostLookup } from '../hosts/host-lookup.js'
import { poll, type PollResult } from '../polling.js'
import { resolveHosts } from '../hosts/resolve-hosts.js'
import type { Resolver } from '../resolver.js'

// A name server that restarts is back in seconds.
const BACKOFF = { baseMs: 1000, maxMs: 30_000 }

/**
 * Follows services in DNS: SRV records, with their priorities and weights, or the addresses of a name.
 * A name that does not exist, or has no record, has no instances; where DNS gives no answer the last set stays, and is
 * stale.
 *
 * Consul answers in DNS as well (`orders.service.consul`), but does not hold a question until something changes, as it
 * does for the resolver that is used by default. It also omits what does not fit into a packet, three of sixty
 * instances in our tests, unless the agent's `dns_config.enable_truncate` is on.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { createClient, dnsResolver } from '@fairlead/sdk'
 *
 * const resolver = dnsResolver({ name: (service) => `_http._tcp.${service}.internal` })
 * const orders = createClient('orders', { resolver })
 *
 * // A headless service of Kubernetes: an instance for each address.
 * const pods = dnsResolver({ name: 'payments.shop.svc.cluster.local', port: 8080 })
 * const payments = createClient('payments', { resolver: pods })
 * ```
 */
export function dnsResolver(options: DnsResolverOptions = {}): Resolver {
  const settings = parseDnsOptions(options)
  const { port, clock = systemClock, random = systemRandom() } = settings
  const dns = new DnsClient(settings)
  const follow =
    port === undefined ? followSrv(dns, settings, random) : followAddresses(dns, settings, port, random)
  const retryMs = (failures: number): number => backoffDelay(failures, BACKOFF, random)
  const resolver: Resolver = {
    name: dns.name,
    watch: (service, signal) => poll({ read: follow(service), retryMs, clock }, signal),
  }
  if (port !== undefined) return resolver
  // Targets are names in the same DNS.
  const lookup: HostLookup = async (host, known, signal) =>
    (await dns.addresses(host, known, signal)).addresses
  return resolveHosts(resolver, lookup, inBackground(clock), random)
}

/** Makes what polls for one service. */
type Follow = (service: string) => (signal: AbortSignal) => Promise<PollResult>

function followSrv(dns: DnsClient, settings: DnsSettings, random: Random): Follow {
  return (service) => async (signal) => {
    const records = await dns.srv(nameOf(service, settings), signal)
    return { snapshot: instancesOfSrv(records, settings.scheme), nextMs: later(settings.refreshMs, random) }
  }
}

function followAddresses(dns: DnsClient, settings: DnsSettings, port: number, random: Random): Follow {
  const { scheme, refreshMs, minTtlMs, maxTtlMs } = settings
  return (service) => {
    let known: readonly string[] = []
    return async (signal) => {
      const name = nameOf(service, settings)
      const { addresses, ttlMs } = await dns.addresses(name, known, signal)
      known = addresses
      const nextMs = ttlMs === undefined ? refreshMs : Math.min(Math.max(ttlMs, minTtlMs), maxTtlMs)
      return {
        snapshot: instancesOfAddresses(name, port, addresses, scheme),
        nextMs: later(nextMs, random),
      }
    }
  }
}

function nameOf(service: string, { name }: DnsSettings): string {
  const made: unknown = typeof name === 'string' ? name : name(service)
  if (typeof made === 'string' && made !== '') return made
  throw new Error(`option name made ${String(made)} of ${service}: it must make a DNS name`)
}

/** Up to a tenth later, so that clients that were started together do not ask together; never before the time is over. */
function later(ms: number, random: Random): number {
  return ms * (1 + random.next() / 10)
}
