import { isDeepStrictEqual } from 'node:util'
import { balancers } from '../balance/balancers.js'
import type { Balancer } from '../balance/picker.js'
import { balancerOf } from '../balance/server-balancer.js'
import type { HashPolicy, LoadBalancerPolicy, ServerPolicy } from '../discovery/server-policy.js'
import { RequestHasher } from '../hashing/request-hasher.js'
import type { Events } from '../observe/events.js'

/** What a client was told. */
export interface PolicyOptions {
  readonly service: string
  /** Undefined: the registry may choose. */
  readonly balancer: Balancer | undefined
  /** Empty: the registry may choose. */
  readonly hashOn: readonly HashPolicy[]
  readonly timeoutMs: number
  readonly connections: { readonly connectTimeoutMs: number }
  /** Which limits were given, so that the registry has no say in them. */
  readonly given: { readonly timeoutMs: boolean; readonly connectTimeoutMs: boolean }
  readonly retry: { readonly attempts: number }
}

/** What holds for a request: the options, under them what the registry prefers, under that the defaults. Frozen. */
export interface EffectivePolicy {
  /** From the call to the head of its response, in milliseconds. */
  readonly timeoutMs: number
  /** For establishing a connection, in milliseconds. */
  readonly connectTimeoutMs: number
  /** The same one for as long as the preference is the same. */
  readonly balancer: Balancer
  /** What requests are hashed by. */
  readonly hasher: RequestHasher
  /** Attempts in all, the first included. */
  readonly attempts: number
}

/** What the registry's preference for a balancer comes to. */
interface Choice {
  readonly balancer: Balancer
  readonly hasher: RequestHasher
}

/** Resolves the policy of a client, once for each change of what the registry prefers. The path reads `current`. */
export class PolicyResolver {
  readonly #options: PolicyOptions
  readonly #events: Events
  #registry: ServerPolicy | undefined
  #choice: Choice
  #current: EffectivePolicy

  constructor(options: PolicyOptions, events: Events) {
    this.#options = options
    this.#events = events
    this.#choice = this.#choose(undefined)
    this.#current = this.#resolve()
  }

  get current(): EffectivePolicy {
    return this.#current
  }

  /** @param registry What the registry prefers. */
  update(registry: ServerPolicy | undefined): void {
    const before = this.#registry
    if (isDeepStrictEqual(registry, before)) return
    this.#registry = registry
    // A balancer made anew would forget where its keys lead.
    if (!isDeepStrictEqual(registry?.loadBalancer, before?.loadBalancer)) {
      this.#choice = this.#choose(registry?.loadBalancer)
    }
    this.#current = this.#resolve()
  }

  #choose(preferred: LoadBalancerPolicy | undefined): Choice {
    const { service, balancer, hashOn } = this.#options
    const served = preferred === undefined ? undefined : balancerOf(preferred)
    if (preferred !== undefined && balancer === undefined && served === undefined) {
      this.#events.publish({ type: 'discovery:unknown-policy', service, policy: preferred.policy })
    }
    return {
      balancer: balancer ?? served?.balancer ?? balancers.peak_ewma,
      hasher: new RequestHasher(hashOn.length > 0 ? hashOn : (served?.hashOn ?? [])),
    }
  }

  #resolve(): EffectivePolicy {
    const { timeoutMs, connections, given, retry } = this.#options
    const registry = this.#registry
    return Object.freeze({
      ...this.#choice,
      timeoutMs: (given.timeoutMs ? undefined : registry?.requestTimeoutMs) ?? timeoutMs,
      connectTimeoutMs:
        (given.connectTimeoutMs ? undefined : registry?.connectTimeoutMs) ?? connections.connectTimeoutMs,
      attempts: retry.attempts,
    })
  }
}
