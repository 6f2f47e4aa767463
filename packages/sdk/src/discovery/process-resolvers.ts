import { inBackground, systemClock, type Clock } from '../clock.js'
import type { Events } from '../observe/events.js'
import { systemRandom } from '../random.js'
import { checking } from './checking.js'
import { ConsulResolver, type ConsulResolverOptions } from './consul/resolver.js'
import { systemLookup } from './hosts/host-lookup.js'
import { resolveHosts } from './hosts/resolve-hosts.js'
import type { Resolver } from './resolver.js'
import { SharedResolver } from './shared-resolver.js'
import type { WatchCount } from './consul/watch-slots.js'
import { SnapshotCache, type SnapshotCacheOptions } from './saved/snapshot-cache.js'

/** What decides which resolver a client has. */
export interface ResolverChoice {
  readonly consul: ConsulResolverOptions
  /** In place of Consul. */
  readonly resolver: Resolver | undefined
  readonly snapshot: SnapshotCacheOptions | undefined
}

// State of the process (lint/module-state.js), as clients made in different places have to meet somewhere: one watch per service.
// It holds no connection while no client is open.
const ofConsul = new Map<string, Resolver>()
const watches = new Map<string, WatchCount>()
const ofOthers = new WeakMap<Resolver, Map<string, Resolver>>()

/**
 * The resolver that all clients with the same choice share; its events go to those of the first one. A client with a clock
 * of its own has a resolver of its own.
 */
export function processResolver(choice: ResolverChoice, clock: Clock, events: Events): Resolver {
  const { consul, resolver, snapshot } = choice
  if (resolver === undefined && clock !== systemClock) return make(choice, { taken: 0 }, clock, events)
  const known = resolver === undefined ? ofConsul : sharedOf(resolver)
  const name = JSON.stringify([resolver === undefined ? consul : undefined, snapshot])
  const existing = known.get(name)
  if (existing !== undefined) return existing
  const made = make(choice, watchesWith(consul.agent.address), clock, events)
  known.set(name, made)
  return made
}

function sharedOf(resolver: Resolver): Map<string, Resolver> {
  const known = ofOthers.get(resolver) ?? new Map<string, Resolver>()
  ofOthers.set(resolver, known)
  return known
}

function watchesWith(address: string): WatchCount {
  const count = watches.get(address) ?? { taken: 0 }
  watches.set(address, count)
  return count
}

function make(
  { consul, resolver, snapshot }: ResolverChoice,
  count: WatchCount,
  clock: Clock,
  events: Events,
): Resolver {
  const random = systemRandom()
  // What waits for discovery keeps the process alive, not the watch.
  const background = inBackground(clock)
  // Consul's own sets are right by construction, and may be of 10,000.
  const source =
    resolver === undefined
      ? new ConsulResolver(consul, background, random, count)
      : checking(resolver, events)
  const resolved = resolveHosts(source, systemLookup, background, random)
  const asked = resolver === undefined ? questionOf(consul) : ''
  // Saving must be above the names, so that a saved set has the addresses that they led to: where Consul is away, its
  // DNS is too. Sharing must be outermost, so that both are done once for all clients.
  const saved =
    snapshot === undefined
      ? resolved
      : new SnapshotCache(resolved, `${resolved.name} ${asked}`, snapshot, background, events)
  return new SharedResolver(saved, clock, random)
}

/** What decides which instances a service has here, besides who is asked. No secrets: it stands in a file. */
function questionOf({ agent, question, ...options }: ConsulResolverOptions): string {
  const { namespace, partition } = agent
  const { datacenter, peer, filter, tags } = question
  const { failover, scheme, network, ipFamily, serverPolicy } = options
  const asked = [namespace, partition, datacenter, peer, filter, tags]
  return JSON.stringify([...asked, failover, scheme, network, ipFamily, serverPolicy])
}
