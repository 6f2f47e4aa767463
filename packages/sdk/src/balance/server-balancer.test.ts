import { registeredWeight } from './picker.js'
import { describe, expect, test } from 'vitest'
import type { HashPolicy, LoadBalancerPolicy } from '../discovery/server-policy.js'
import { candidates, keyHash, seededRandom, type FakeCandidate } from '../testing/index.js'
import { balancers } from './balancers.js'
import type { Balancer } from './picker.js'
import { leastRequest } from './policies/load.js'
import { powerOfChoices } from './policies/power-of-choices.js'
import { ringHash } from './keyed/ring-hash.js'
import { balancerOf } from './server-balancer.js'

const hashPolicies: readonly HashPolicy[] = [{ field: 'header', name: 'X-User', terminal: true }]
const policy = (name: string, rest: Partial<LoadBalancerPolicy> = {}): LoadBalancerPolicy => ({
  policy: name,
  hashPolicies,
  ...rest,
})

/** What a balancer takes of a fixed set, key by key, every request staying in flight. */
function trace(balancer: Balancer | undefined): number[] {
  const endpoints = candidates([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3])
  const picker = balancer?.(endpoints, seededRandom(7), registeredWeight)
  return Array.from({ length: 200 }, (_, index) => {
    const pick = picker?.pick({ now: 0, tried: [], hash: keyHash(`user-${index}`) })
    pick?.begin()
    return endpoints.indexOf(pick as FakeCandidate)
  })
}

test.each<[LoadBalancerPolicy, Balancer]>([
  [policy('round_robin'), balancers.weighted_round_robin],
  [policy('random'), balancers.random],
  [policy('least_request'), balancers.least_request],
  [policy('least_request', { choiceCount: 3 }), powerOfChoices(leastRequest, 3)],
  [policy('least_request', { choiceCount: 100 }), powerOfChoices(leastRequest, 10)],
  [policy('least_request', { choiceCount: 0 }), balancers.least_request],
  [policy('least_request', { choiceCount: 1 }), balancers.least_request],
  [policy('ring_hash'), balancers.ring_hash],
  [policy('ring_hash', { minimumRingSize: 0, maximumRingSize: 0 }), balancers.ring_hash],
  [policy('ring_hash', { minimumRingSize: 64 }), ringHash({ minimumRingSize: 64 })],
  [
    policy('ring_hash', { minimumRingSize: 64, maximumRingSize: 80 }),
    ringHash({ minimumRingSize: 64, maximumRingSize: 80 }),
  ],
  // Envoy refuses these; a client has to go on.
  [policy('ring_hash', { maximumRingSize: 80 }), ringHash({ minimumRingSize: 80, maximumRingSize: 80 })],
  [
    policy('ring_hash', { minimumRingSize: 200, maximumRingSize: 100 }),
    ringHash({ minimumRingSize: 100, maximumRingSize: 100 }),
  ],
  [policy('ring_hash', { minimumRingSize: -3, maximumRingSize: 2 ** 40 }), balancers.ring_hash],
  [policy('maglev'), balancers.maglev],
])('%j', (policy, expected) => {
  expect(trace(balancerOf(policy)?.balancer)).toEqual(trace(expected))
})

describe('what requests are hashed by', () => {
  test.each(['ring_hash', 'maglev'])('is what the registry says, for %s', (name) => {
    expect(balancerOf(policy(name))?.hashOn).toBe(hashPolicies)
  })

  test.each(['round_robin', 'random', 'least_request'])('is nothing for %s, which does not ask', (name) => {
    expect(balancerOf(policy(name))?.hashOn).toEqual([])
  })
})

test.each(['', 'client_side_weighted_round_robin', 'Maglev'])('%j is not known', (name) => {
  expect(balancerOf(policy(name))).toBeUndefined()
})
