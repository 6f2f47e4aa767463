import type { HashPolicy, LoadBalancerPolicy } from '../discovery/server-policy.js'
import { leastRequest } from './policies/load.js'
import { maglev } from './keyed/maglev.js'
import type { Balancer } from './picker.js'
import { powerOfChoices } from './policies/power-of-choices.js'
import { ringHash } from './keyed/ring-hash.js'
import { weightedRandom } from './policies/weighted-random.js'
import { weightedRoundRobin } from './policies/weighted-round-robin.js'

/** A policy of the registry as one of ours. */
export interface ServerBalancer {
  /** The balancer, with the registry's settings, brought into bounds. */
  readonly balancer: Balancer
  /** What requests are hashed by; empty where the balancer does not ask. */
  readonly hashOn: readonly HashPolicy[]
}

// Envoy's default and limit of ring sizes, where Consul's `service-resolver` says nothing or 0.
const MINIMUM_RING_SIZE = 1024
const MAX_RING_SIZE = 8_388_608

/**
 * The balancer that the registry configures. Never throws: values that Envoy would reject are clamped, as a mistake in
 * the registry must not stop the clients.
 * `round_robin` is the weighted one, as Envoy's honours weights. `undefined`: a policy that is not known here.
 */
export function balancerOf(policy: LoadBalancerPolicy): ServerBalancer | undefined {
  switch (policy.policy) {
    case 'round_robin':
      return { balancer: weightedRoundRobin, hashOn: [] }
    case 'random':
      return { balancer: weightedRandom, hashOn: [] }
    case 'least_request':
      return { balancer: powerOfChoices(leastRequest, choiceCount(policy)), hashOn: [] }
    case 'ring_hash':
      return { balancer: ringHash(ringSizes(policy)), hashOn: policy.hashPolicies }
    case 'maglev':
      return { balancer: maglev(), hashOn: policy.hashPolicies }
    default:
      return undefined
  }
}

function choiceCount({ choiceCount = 2 }: LoadBalancerPolicy): number {
  return Math.max(2, Math.floor(choiceCount))
}

function ringSizes(policy: LoadBalancerPolicy): { minimumRingSize: number; maximumRingSize?: number } {
  const maximum = sizeOf(policy.maximumRingSize)
  const minimum = sizeOf(policy.minimumRingSize) ?? MINIMUM_RING_SIZE
  if (maximum === undefined) return { minimumRingSize: minimum }
  return { minimumRingSize: Math.min(minimum, maximum), maximumRingSize: maximum }
}

function sizeOf(size = 0): number | undefined {
  return size >= 1 ? Math.min(Math.floor(size), MAX_RING_SIZE) : undefined
}
