import { balancers } from '../balance/balancers.js'
import type { Balancer } from '../balance/picker.js'
import { balancerOf } from '../balance/server-balancer.js'
import type { HashPolicy, LoadBalancerPolicy, ServerPolicy } from '../discovery/server-policy.js'
import { RequestHasher } from '../hashing/request-hasher.js'
import type { Logger } from '../logger.js'

export interface BalancingOptions {
  readonly service: string
  /** Undefined: the registry may choose. */
  readonly balancer: Balancer | undefined
  /** Empty: as above, whoever chose the balancer. */
  readonly hashOn: readonly HashPolicy[]
}

interface Choice {
  readonly balancer: Balancer
  readonly hasher: RequestHasher
}

/** How a client balances: as it was told, else as the registry asks, else by our default. */
export class Balancing {
  readonly #options: BalancingOptions
  readonly #logger: Logger
  #wish: LoadBalancerPolicy | undefined
  #choice: Choice

  constructor(options: BalancingOptions, logger: Logger) {
    this.#options = options
    this.#logger = logger
    this.#choice = this.#choose(undefined)
  }

  /** The same one for the same wish. */
  balancer(policy: ServerPolicy | undefined): Balancer {
    return this.#for(policy).balancer
  }

  /** What requests are hashed by. */
  hasher(policy: ServerPolicy | undefined): RequestHasher {
    return this.#for(policy).hasher
  }

  #for(policy: ServerPolicy | undefined): Choice {
    const wish = policy?.loadBalancer
    if (wish !== this.#wish) {
      this.#wish = wish
      this.#choice = this.#choose(wish)
    }
    return this.#choice
  }

  #choose(wish: LoadBalancerPolicy | undefined): Choice {
    const { balancer, hashOn, service } = this.#options
    const asked = wish === undefined ? undefined : balancerOf(wish)
    if (wish !== undefined && balancer === undefined && asked === undefined) {
      this.#logger.warn(
        { service, policy: wish.policy },
        "Consul's service-resolver asks for a load balancer that is not known here: peak_ewma serves instead",
      )
    }
    return {
      balancer: balancer ?? asked?.balancer ?? balancers.peak_ewma,
      hasher: new RequestHasher(hashOn.length > 0 ? hashOn : (asked?.hashOn ?? [])),
    }
  }
}
