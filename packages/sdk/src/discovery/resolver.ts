/** Where an instance runs; all parts optional, as discovery knows them. */
export interface Locality {
  readonly datacenter?: string | undefined
  readonly zone?: string | undefined
}

/** One registered instance: plain frozen data, what discovery knows. */
export interface Instance {
  /** `<node>/<serviceId>@<host>:<port>`: a Consul service id is unique per agent only. */
  readonly key: string
  /** Where to send requests: `http://host:port`, IPv6 in brackets. */
  readonly origin: string
  /** Share of the load relative to its peers, 0 to 65,535. 0 = healthy, but last resort. */
  readonly weight: number
  readonly tags: readonly string[]
  readonly meta: Readonly<Record<string, string>>
  readonly locality: Locality
}

/** An instance that discovery knows and leaves out, and why: for people, never for balancing. */
export interface ExcludedInstance {
  readonly key: string
  readonly reason: string
}

/** A whole set, never a delta, or the news that the last set may be out of date. */
export type ResolverEvent =
  | {
      readonly kind: 'snapshot'
      readonly instances: readonly Instance[]
      readonly excluded: readonly ExcludedInstance[]
    }
  | { readonly kind: 'stale'; readonly cause: Error }

/** Where instances come from. */
export interface Resolver {
  /** What is asked, for error messages and logs, such as `Consul at http://127.0.0.1:8500`. */
  readonly name: string
  /**
   * Follows one service. Infinite: transient faults arrive as `stale`; it ends only when `signal` aborts.
   * An answer equal to the last is not repeated, except to say that a stale set is fresh again.
   */
  watch(service: string, signal: AbortSignal): AsyncIterable<ResolverEvent>
}
