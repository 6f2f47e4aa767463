import type { Candidate } from '../picker.js'

/** When a report makes a weight. */
export interface WeightRules {
  /** An endpoint must have reported for so long without a gap, in milliseconds. */
  readonly blackoutMs: number
  /** A report that is older says nothing any more; in milliseconds. */
  readonly expiryMs: number
  /** How much utilization it counts for when every request fails. */
  readonly errorPenalty: number
}

// Far from what any server can mean, and from where sums and ratios of doubles come to an end: reports may be of anything.
const LEAST = 1e-12
const MOST = 1e12

/**
 * What a backend can do, by its own reports: requests a second for each unit of load, errors counting as load.
 * `undefined`: it has none of its own, as it has never reported, not for long enough, or too long ago.
 * Source: gRPC A58, "Subchannel Weights"; grpc-go `balancer/weightedroundrobin/balancer.go`.
 */
export function reportedWeight(endpoint: Candidate, rules: WeightRules, now: number): number | undefined {
  const load = endpoint.backendLoad
  if (load === undefined || load.nonEmptyAt < 0) return undefined
  if (now - load.nonEmptyAt >= rules.expiryMs) return undefined
  // What it said before it failed and came back is of its earlier life, as when a subchannel of gRPC becomes ready.
  if (load.nonEmptyAt < endpoint.usableSince) return undefined
  if (now - Math.max(load.nonEmptySinceGap(rules.expiryMs), endpoint.usableSince) < rules.blackoutMs)
    return undefined
  const { qps, utilization, eps } = load.lastNonEmpty
  const failing = rules.errorPenalty === 0 ? 0 : (eps / qps) * rules.errorPenalty
  return Math.min(Math.max(qps / (utilization + failing), LEAST), MOST)
}
