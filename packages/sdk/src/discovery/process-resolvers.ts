import { systemClock, type Clock } from '../clock.js'
import { systemRandom, type Random } from '../random.js'
import { ConsulResolver, type ConsulResolverOptions } from './consul-resolver.js'
import { systemLookup } from './host-lookup.js'
import { resolveHosts } from './resolve-hosts.js'
import type { Resolver } from './resolver.js'
import { SharedResolver } from './shared-resolver.js'

// The one state of the process, as clients made in different places have to meet somewhere: one watch per service.
// It holds no connection while no client is open.
const ofConsul = new Map<string, SharedResolver>()
const ofOthers = new WeakMap<Resolver, SharedResolver>()

/** The resolver that all clients with these Consul options share; one of its own for another clock. */
export function consulResolver(options: ConsulResolverOptions, clock: Clock): Resolver {
  if (clock !== systemClock) return makeConsulResolver(options, clock)
  const name = JSON.stringify([options.address, options.token, options.waitMs])
  let resolver = ofConsul.get(name)
  if (resolver === undefined) {
    resolver = makeConsulResolver(options, clock)
    ofConsul.set(name, resolver)
  }
  return resolver
}

/** Clients that were given the same resolver share its watches. */
export function shared(resolver: Resolver, clock: Clock): Resolver {
  let wrapped = ofOthers.get(resolver)
  if (wrapped === undefined) {
    wrapped = share(resolver, clock, systemRandom())
    ofOthers.set(resolver, wrapped)
  }
  return wrapped
}

function makeConsulResolver(options: ConsulResolverOptions, clock: Clock): SharedResolver {
  const random = systemRandom()
  return share(new ConsulResolver(options, clock, random), clock, random)
}

/** Sharing must be outermost, so that host names are looked up once for all clients. */
function share(resolver: Resolver, clock: Clock, random: Random): SharedResolver {
  return new SharedResolver(resolveHosts(resolver, systemLookup, clock, random), clock, random)
}
