import type { Clock } from '../clock.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import { placeOf } from '../discovery/place.js'
import type { ExcludedInstance } from '../discovery/resolver.js'
import type { BreakerState } from '../resilience/breaker.js'
import type { RetryBudget } from '../resilience/retry-budget.js'

/** One endpoint as it stands. Plain data, safe to print as JSON. */
export interface EndpointInspection {
  /** Its key: `<node>/<serviceId>@<host>:<port>` where Consul lists it. */
  readonly key: string
  /** The keys of all registrations of its address: one, unless it is registered under several ids. */
  readonly registrations: readonly string[]
  /** Where requests to it go: `http://host:port` or `https://host:port`. */
  readonly origin: string
  /** The IP addresses that its host name stands for, where it has one that was resolved. */
  readonly addresses: readonly string[] | undefined
  /** Share of the load relative to its peers, as registered, 0 to 65,535; 0: a last resort. */
  readonly weight: number
  /** Its level: 0 = first. */
  readonly priority: number
  /** The zone that it runs in; undefined: discovery does not know it. */
  readonly zone: string | undefined
  /** Its datacenter; undefined: discovery does not know it. */
  readonly datacenter: string | undefined
  /** Requests whose response has not ended. */
  readonly inflight: number
  /** Connections to it, busy and idle. */
  readonly connections: number
  /** Peak EWMA of the time to first byte, in milliseconds. */
  readonly latencyMs: number
  /** The state of its circuit breaker; always `closed` with `breaker: false`. */
  readonly circuit: BreakerState
  /** Requests ever sent to it. */
  readonly requests: number
  /** Of these, how many got no response, or one of status 5xx. */
  readonly failures: number
}

/** What is kept although discovery no longer lists it, until traffic or time decides. */
export interface ReserveInspection extends EndpointInspection {
  /** `doubt`: the answer that removed it was doubtful; `share`: too many went at once. */
  readonly heldFor: 'doubt' | 'share'
  /** It has answered since. */
  readonly confirmed: boolean
  /** How long it has been in reserve, in milliseconds. */
  readonly heldForMs: number
}

/** A client as it stands. */
export interface ClientInspection {
  /** The service's name in Consul. */
  readonly service: string
  /** Where instances come from. */
  readonly resolver: string
  /**
   * `waiting`: no answer yet. `stale`: the last known set serves on. `disk`: a saved set serves, as there has been no
   * answer yet. `idle`: nobody has asked for long, and discovery is not followed until someone does.
   */
  readonly freshness: 'waiting' | 'fresh' | 'stale' | 'disk' | 'idle'
  /** How long it has been stale, in milliseconds; 0 while it is not. */
  readonly staleForMs: number
  /** When the set was saved, in Unix milliseconds, where it comes from disk. */
  readonly savedAt: number | undefined
  /** Why it is stale, waiting or from disk, where that is known. */
  readonly reason: string | undefined
  /** What speaks against believing that what the last answer does not list is gone. */
  readonly doubt: string | undefined
  /**
   * The levels in panic: too few of their endpoints are usable, so that all of them are sent requests; only those that
   * are not idempotent, where what is retained is usable and takes the others.
   */
  readonly panicking: readonly number[]
  /** Those that discovery lists. */
  readonly endpoints: readonly EndpointInspection[]
  /** Retained endpoints: discovery no longer lists them, and its answer is suspect or removed too many at once. */
  readonly reserve: readonly ReserveInspection[]
  /** What discovery knows and leaves out, and why. */
  readonly excluded: readonly ExcludedInstance[]
  /** Retries that the budget allows at this moment. */
  readonly retryBudget: number
}

export function inspect(
  service: string,
  resolver: string,
  cluster: Cluster,
  budget: RetryBudget,
  clock: Clock,
): ClientInspection {
  const now = clock.now()
  const { freshness, endpoints } = cluster
  const held = new Map(cluster.held.map((entry) => [placeOf(entry.instance), entry]))
  return {
    service,
    resolver,
    freshness: cluster.idle ? 'idle' : freshness.kind,
    staleForMs: freshness.kind === 'stale' ? now - freshness.since : 0,
    savedAt: freshness.kind === 'disk' ? freshness.savedAt : undefined,
    reason: freshness.kind === 'fresh' ? undefined : freshness.cause?.message,
    doubt: cluster.doubt,
    panicking: cluster.panicking,
    endpoints: endpoints
      .filter(({ reserved }) => !reserved)
      .map((endpoint) => inspectEndpoint(endpoint, now)),
    reserve: endpoints.flatMap((endpoint) => {
      const entry = endpoint.reserved ? held.get(placeOf(endpoint.instance)) : undefined
      if (entry === undefined) return []
      const { reason, confirmed, since } = entry
      const more = { heldFor: reason.kind, confirmed, heldForMs: now - since }
      return [{ ...inspectEndpoint(endpoint, now), ...more }]
    }),
    excluded: cluster.excluded,
    retryBudget: budget.balance(now),
  }
}

export function inspectEndpoint(endpoint: Endpoint, now: number): EndpointInspection {
  const { instance, inflight, connections, circuit, requests, failures } = endpoint
  return {
    key: instance.key,
    registrations: instance.registrations ?? [instance.key],
    origin: instance.origin,
    addresses: instance.addresses,
    weight: instance.weight,
    priority: instance.priority,
    zone: instance.locality.zone,
    datacenter: instance.locality.datacenter,
    inflight,
    connections,
    latencyMs: endpoint.estimateUs(now) / 1000,
    circuit,
    requests,
    failures,
  }
}
