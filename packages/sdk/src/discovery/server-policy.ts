/** How the registry configures load balancing for a service; names as in Consul's `service-resolver`. */
export interface LoadBalancerPolicy {
  /** `round_robin`, `random`, `least_request`, `ring_hash` or `maglev`; newer ones pass through. */
  readonly policy: string
  /** Of `least_request`: how many are compared. */
  readonly choiceCount?: number | undefined
  /** Of `ring_hash`: how many points at least, in all. */
  readonly minimumRingSize?: number | undefined
  /** Of `ring_hash`: how many points at most, in all. */
  readonly maximumRingSize?: number | undefined
  /** Of `ring_hash` and `maglev`: what a request is hashed by, in order. */
  readonly hashPolicies: readonly HashPolicy[]
}

/** One part of a request's hash key; names as in Consul's `HashPolicies`. */
export interface HashPolicy {
  /**
   * `source_ip` is found only in requests that have a `caller`: a client does not know for whom it asks.
   * `pathname`, the path without its query, is ours: Consul has no name for it.
   */
  readonly field: 'header' | 'cookie' | 'query_parameter' | 'source_ip' | 'pathname'
  /** Empty for `source_ip` and `pathname`. */
  readonly name: string
  /** No later part counts once this one has been found. */
  readonly terminal: boolean
}

/** What is configured in the registry for all clients of a service; an option of the client goes before it. */
export interface ServerPolicy {
  /** For establishing a connection, in milliseconds. */
  readonly connectTimeoutMs?: number | undefined
  /** From the call to the head of the response, in milliseconds. */
  readonly requestTimeoutMs?: number | undefined
  /** How to balance; undefined: the registry says nothing of it. */
  readonly loadBalancer?: LoadBalancerPolicy | undefined
}
