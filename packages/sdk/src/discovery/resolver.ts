import type { ServerPolicy } from './server-policy.js'

/** Where an instance runs; all parts optional, as discovery knows them. */
export interface Locality {
  /** Consul's name of the datacenter. */
  readonly datacenter?: string | undefined
  /** The zone, as `locality` compares it with the client's own. */
  readonly zone?: string | undefined
}

/** One registered instance: plain frozen data, what discovery knows. */
export interface Instance {
  /** `<node>/<serviceId>@<host>:<port>`: a Consul service id is unique per agent only. */
  readonly key: string
  /** Where to send requests: `http://host:port` or `https://host:port`, IPv6 in brackets. */
  readonly origin: string
  /**
   * The IP addresses behind the origin's host name, where that has been resolved: all of the one machine, tried in
   * this order. Undefined: the host is an address already, or is left to the connection to resolve.
   */
  readonly addresses?: readonly string[] | undefined
  /**
   * The keys of all registrations of this address, in order, where there are several: they are one instance to a client,
   * `key` being one of them. Set by Fairlead; a resolver lists them one by one.
   */
  readonly registrations?: readonly string[] | undefined
  /** Share of the load relative to its peers, 0 to 65,535. 0 = healthy, but last resort. */
  readonly weight: number
  /** 0 = first; a higher priority gets what those before it cannot carry. */
  readonly priority: number
  /** The tags of the service, as registered. */
  readonly tags: readonly string[]
  /** The meta of the service, as registered. */
  readonly meta: Readonly<Record<string, string>>
  /** Where it runs, as far as discovery knows. */
  readonly locality: Locality
}

/** An instance that discovery excludes, and why: for people, and to tell how healthy a priority is. */
export interface ExcludedInstance {
  /** The key that it would have as an {@link Instance}. */
  readonly key: string
  /** For people: `critical`, `maintenance`, or what is wrong with its address. */
  readonly reason: string
  /**
   * `deliberate`: put into maintenance by someone, which is never suspect. `unhealthy`: checks say so.
   * `unusable`: nothing could ever be sent to it.
   */
  readonly kind: 'deliberate' | 'unhealthy' | 'unusable'
  /** The priority that it would have. */
  readonly priority: number
}

/** A whole set, never a delta. */
export interface Snapshot {
  /** Tells it apart from the event `stale`. */
  readonly kind: 'snapshot'
  /** All instances that requests may be sent to; empty: the service has none. */
  readonly instances: readonly Instance[]
  /** The instances that are known, but must not be sent requests. */
  readonly excluded: readonly ExcludedInstance[]
  /**
   * Why it is suspect, so that instances missing from it may still be there, such as `the agent knows no leader`.
   * Undefined: it is not.
   */
  readonly suspect?: string | undefined
  /**
   * Where nothing at all is known: what there is to say of that, such as `knows no instance of that name`, which is what
   * is said unless it is given. For people.
   */
  readonly empty?: string | undefined
  /** When it was saved, in Unix milliseconds, where it comes from disk and not from discovery. */
  readonly savedAt?: number | undefined
  /** What is configured in the registry for all clients of the service. */
  readonly policy?: ServerPolicy | undefined
}

/** A whole set, or the news that the last set may be out of date. */
export type ResolverEvent =
  | Snapshot
  | {
      /** `snapshot`: a whole set. `stale`: there is no newer one, and the last may be out of date. */
      readonly kind: 'stale'
      /** Why there is no newer set. */
      readonly cause: Error
    }

/** Where instances come from. */
export interface Resolver {
  /** What is asked, for error messages and logs, such as `Consul at http://127.0.0.1:8500`. */
  readonly name: string
  /**
   * Follows one service. Infinite: transient faults arrive as `stale`; it ends only when `signal` aborts.
   * An answer equal to the last is not repeated, except to say that a stale set is fresh again.
   * A set in which a field is missing or of another type is not taken in: an error is logged that names the field, and the
   * last set serves on as `stale`.
   */
  watch(service: string, signal: AbortSignal): AsyncIterable<ResolverEvent>
}
