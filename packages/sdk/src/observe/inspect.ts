import type { Admission, AdmissionInspection } from '../admission/admission.js'
import type { Clock } from '../clock.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import { placeOf } from '../discovery/place.js'
import type { ExcludedInstance } from '../discovery/resolver.js'
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
  /** 0 = first. */
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
  /** Whether it is sent requests, and if not, why and until when. */
  readonly availability: AvailabilityInspection
  /** Requests ever sent to it. */
  readonly requests: number
  /** Of these, how many failed: no response, or by default one of status 5xx. */
  readonly failures: number
}

/** Whether an endpoint is sent requests. */
export interface AvailabilityInspection {
  /** `probing`: one request at a time finds out whether it can be used again. */
  readonly state: 'available' | 'probing' | 'unavailable'
  /** Why it is not available: `circuit_open`, `ejected`, `stalled`, `pushback` or the like. Undefined: it is. */
  readonly reason: string | undefined
  /** How long it has not been available, in milliseconds; undefined: it is. */
  readonly forMs: number | undefined
  /** In how many milliseconds that ends by itself; undefined: it is available, or traffic decides. */
  readonly endsInMs: number | undefined
  /**
   * Panic: it is sent requests all the same, since too few others are available: all requests, or only those that are not
   * idempotent (`unsafe`), as the others go to what is retained.
   */
  readonly panic: 'none' | 'unsafe' | 'all'
}

/** An endpoint that is retained although discovery no longer lists it, until traffic or time decides. */
export interface RetainedInspection extends EndpointInspection {
  /** `suspect`: the answer that no longer lists it was suspect; `share`: too many were gone at once. */
  readonly reason: 'suspect' | 'share'
  /** It has answered since. */
  readonly confirmed: boolean
  /** How long it has been retained, in milliseconds. */
  readonly retainedForMs: number
}

/** A client as it stands. */
export interface ClientInspection {
  /** The service's name in Consul. */
  readonly service: string
  /** Where instances come from. */
  readonly resolver: string
  /**
   * `waiting`: no answer yet. `stale`: the last known set serves on. `disk`: a saved set serves, as there has been no
   * answer yet. `idle`: there was no request for long, and discovery is not followed until the next one.
   */
  readonly freshness: 'waiting' | 'fresh' | 'stale' | 'disk' | 'idle'
  /** How long it has been stale, in milliseconds; 0 while it is not. */
  readonly staleForMs: number
  /** When the set was saved, in Unix milliseconds, where it comes from disk. */
  readonly savedAt: number | undefined
  /** Why it is stale, waiting or from disk, where that is known. */
  readonly reason: string | undefined
  /** Why the last answer is suspect, so that what it does not list may still be there; undefined: it is not. */
  readonly suspect: string | undefined
  /**
   * The priorities in panic: too few of their endpoints are available, so that all of them are sent requests; only those
   * that are not idempotent, where what is retained is available and takes the others.
   */
  readonly prioritiesInPanic: readonly number[]
  /** Those that discovery lists. */
  readonly endpoints: readonly EndpointInspection[]
  /** Those that discovery no longer lists, although its answer is suspect or removed too many at once. */
  readonly retainedEndpoints: readonly RetainedInspection[]
  /** The instances that discovery knows and excludes, and why. */
  readonly excluded: readonly ExcludedInstance[]
  /** Retries that the budget allows at this moment. */
  readonly retryBudget: number
  /** The limit of concurrency, what is queued, and what was shed; undefined: there is no limit. */
  readonly admission: AdmissionInspection | undefined
}

export function inspect(
  service: string,
  resolver: string,
  cluster: Cluster,
  budget: RetryBudget,
  admission: Admission | undefined,
  clock: Clock,
): ClientInspection {
  const now = clock.now()
  const { freshness, endpoints } = cluster
  const retained = new Map(cluster.retained.map((entry) => [placeOf(entry.instance), entry]))
  return {
    service,
    resolver,
    freshness: cluster.idle ? 'idle' : freshness.kind,
    staleForMs: freshness.kind === 'stale' ? now - freshness.since : 0,
    savedAt: freshness.kind === 'disk' ? freshness.savedAt : undefined,
    reason: freshness.kind === 'fresh' ? undefined : freshness.cause?.message,
    suspect: cluster.suspect,
    prioritiesInPanic: cluster.prioritiesInPanic,
    endpoints: endpoints
      .filter((endpoint) => !endpoint.retained)
      .map((endpoint) => inspectEndpoint(endpoint, now)),
    retainedEndpoints: endpoints.flatMap((endpoint) => {
      const entry = endpoint.retained ? retained.get(placeOf(endpoint.instance)) : undefined
      if (entry === undefined) return []
      const { reason, confirmed, since } = entry
      const more = { reason: reason.kind, confirmed, retainedForMs: now - since }
      return [{ ...inspectEndpoint(endpoint, now), ...more }]
    }),
    excluded: cluster.excluded,
    retryBudget: budget.balance(now),
    admission: admission?.inspect(),
  }
}

export function inspectEndpoint(endpoint: Endpoint, now: number): EndpointInspection {
  const { instance, inflight, connections, requests, failures } = endpoint
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
    availability: inspectAvailability(endpoint, now),
    requests,
    failures,
  }
}

function inspectAvailability({ availability, panic }: Endpoint, now: number): AvailabilityInspection {
  const { state, reason, since, until } = availability
  return {
    state,
    reason,
    forMs: since === undefined ? undefined : now - since,
    endsInMs: until === undefined ? undefined : Math.max(0, until - now),
    panic,
  }
}
