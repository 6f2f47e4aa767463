import { leastConnections } from './policies/least-connections.js'
import { weightedLeastRequest } from './policies/least-request-edf.js'
import { leastRequest, peakEwma } from './policies/load.js'
import { maglev } from './keyed/maglev.js'
import { orcaWeightedRoundRobin } from './policies/orca-weighted-round-robin.js'
import type { Balancer } from './picker.js'
import { powerOfTwoChoices } from './policies/power-of-two-choices.js'
import { prequal } from './policies/prequal.js'
import { rendezvous } from './keyed/rendezvous.js'
import { ringHash } from './keyed/ring-hash.js'
import { roundRobin } from './policies/round-robin.js'
import { weightedRandom } from './policies/weighted-random.js'
import { weightedRoundRobin } from './policies/weighted-round-robin.js'

/** The balancers that a configuration file can name. */
export type BalancerName =
  | 'peak_ewma'
  | 'least_request'
  | 'least_connections'
  | 'weighted_least_request'
  | 'round_robin'
  | 'weighted_round_robin'
  | 'orca_weighted_round_robin'
  | 'random'
  | 'ring_hash'
  | 'maglev'
  | 'prequal'
  | 'rendezvous'

/** Each balancer under the name the field knows it by. */
export const balancers: Readonly<Record<BalancerName, Balancer>> = Object.freeze({
  peak_ewma: powerOfTwoChoices(peakEwma),
  least_request: powerOfTwoChoices(leastRequest),
  least_connections: leastConnections,
  weighted_least_request: weightedLeastRequest(),
  round_robin: roundRobin,
  weighted_round_robin: weightedRoundRobin,
  orca_weighted_round_robin: orcaWeightedRoundRobin(),
  random: weightedRandom,
  ring_hash: ringHash(),
  maglev: maglev(),
  prequal: prequal(),
  rendezvous: rendezvous(),
})
