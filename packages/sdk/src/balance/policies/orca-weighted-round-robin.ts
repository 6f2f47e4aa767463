import type { Balancer } from '../picker.js'
import { reportedWeights, type ReportedWeightsOptions } from '../layers/reported-weights.js'
import { weightedRoundRobin } from './weighted-round-robin.js'

/**
 * Weighted round robin by what servers report of their own load: gRPC's `weighted_round_robin`, Envoy's
 * `client_side_weighted_round_robin`.
 * When: machines differ in what they can do, or share it with others, and their load shows it better than their latency.
 * When not: servers do not report; then it is `weighted_round_robin` by the weights in Consul.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { createClient, orcaWeightedRoundRobin } from '@fairlead/sdk'
 *
 * const orders = createClient('orders', { balancer: orcaWeightedRoundRobin({ blackoutMs: 5000 }) })
 * ```
 */
export function orcaWeightedRoundRobin(options: ReportedWeightsOptions = {}): Balancer {
  return reportedWeights(options)(weightedRoundRobin)
}
