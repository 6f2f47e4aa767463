import { leastConnections } from './least-connections.js'
import { weightedLeastRequest } from './least-request-edf.js'
import { leastRequest, peakEwma } from './load.js'
import { maglev } from './maglev.js'
import { orcaWeightedRoundRobin } from './orca-weighted-round-robin.js'
import type { Balancer } from './picker.js'
import { powerOfTwoChoices } from './power-of-two-choices.js'
import { prequal } from './prequal.js'
import { rendezvous } from './rendezvous.js'
import { ringHash } from './ring-hash.js'
import { roundRobin } from './round-robin.js'
import { weightedRandom } from './weighted-random.js'
import { weightedRoundRobin } from './weighted-round-robin.js'

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
