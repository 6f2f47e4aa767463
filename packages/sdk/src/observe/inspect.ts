import type { Clock } from '../clock.js'
import type { Cluster } from '../cluster/cluster.js'
import type { ExcludedInstance } from '../discovery/resolver.js'
import type { BreakerState } from '../resilience/breaker.js'
import type { RetryBudget } from '../resilience/retry-budget.js'

/** One endpoint as it stands. Plain data, safe to print as JSON. */
export interface EndpointInspection {
  readonly key: string
  readonly origin: string
  readonly weight: number
  /** Requests whose response has not ended. */
  readonly inflight: number
  /** Connections to it, busy and idle. */
  readonly connections: number
  /** Peak EWMA of the time to first byte, in milliseconds. */
  readonly latencyMs: number
  readonly circuit: BreakerState
  /** Requests ever sent to it. */
  readonly requests: number
  /** Of these, how many got no response, or one of status 5xx. */
  readonly failures: number
}

/** A client as it stands. */
export interface ClientInspection {
  readonly service: string
  /** Where instances come from. */
  readonly resolver: string
  /** `waiting`: no answer yet. `stale`: the last known set serves on. */
  readonly freshness: 'waiting' | 'fresh' | 'stale'
  /** How long it has been stale, in milliseconds; 0 while it is not. */
  readonly staleForMs: number
  /** Why it is stale or waiting, where that is known. */
  readonly reason: string | undefined
  readonly endpoints: readonly EndpointInspection[]
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
  const { freshness } = cluster
  return {
    service,
    resolver,
    freshness: freshness.kind,
    staleForMs: freshness.kind === 'stale' ? now - freshness.since : 0,
    reason: freshness.kind === 'fresh' ? undefined : freshness.cause?.message,
    endpoints: cluster.endpoints.map((endpoint) => ({
      key: endpoint.instance.key,
      origin: endpoint.instance.origin,
      weight: endpoint.instance.weight,
      inflight: endpoint.inflight,
      connections: endpoint.connections,
      latencyMs: endpoint.estimateUs(now) / 1000,
      circuit: endpoint.breaker.state,
      requests: endpoint.requests,
      failures: endpoint.failures,
    })),
    excluded: cluster.excluded,
    retryBudget: budget.balance(now),
  }
}
