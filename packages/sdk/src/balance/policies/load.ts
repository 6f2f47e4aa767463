import type { Candidate } from '../picker.js'

/**
 * How loaded an endpoint is; the less loaded of two is taken. Knows nothing of how candidates are drawn.
 *
 * @param weight The endpoint's weight relative to the mean of its set: 1 = average.
 *   Candidates are drawn in proportion to weight already, so weight only scales what grows with their share:
 *   at rest all weights look alike, under load three times the weight may carry three times the requests.
 * @param now The clock's time in whole milliseconds.
 */
export type Load = (endpoint: Candidate, weight: number, now: number) => number

/**
 * Requests in flight for its weight.
 * When: requests of uneven cost on machines that are alike. When not: endpoints that are slow or fail, which it notices
 * only by the requests that pile up there; one that fails fast looks idle. Use `peakEwma`. O(1).
 * Source: Envoy's and gRPC's least request.
 */
export const leastRequest: Load = (endpoint, weight) => endpoint.inflight / weight

/**
 * Peak EWMA of latency times the requests ahead of the next one: an estimate of how long it would wait.
 * When: nearly always, and so it is the default: whatever is slow or failing gets less, within a few requests. When not:
 * shares must follow weights, latency says nothing of load (long polls, streams), or instances are cold at first, as in
 * a rolling deploy: put `slowStart` before it then.
 * An average of 10 s that jumps up to a slow sample at once; a failure counts four times what is usual, 5 s at most. O(1).
 * Source: Finagle `PeakEwma` (cost times pending + 1), Linkerd.
 */
export const peakEwma: Load = (endpoint, weight, now) =>
  (endpoint.inflight / weight + 1) * endpoint.latencyUs(now)

/**
 * Is the second of two endpoints less loaded than the first? Weights are in a table, at the places of the two: all that
 * is handed over is an object or a whole number, so that a comparison allocates nothing, whatever V8 compiles as one.
 */
export type Comparison = (
  first: Candidate,
  i: number,
  second: Candidate,
  j: number,
  weights: Float32Array,
  now: number,
) => boolean

/** Compares by a load. Of the two above each formula stands here once more, as what a function returns may be an object. */
export function comparisonBy(load: Load): Comparison {
  if (load === leastRequest) {
    return (first, i, second, j, weights) =>
      second.inflight / (weights[j] ?? 1) < first.inflight / (weights[i] ?? 1)
  }
  if (load === peakEwma) {
    return (first, i, second, j, weights, now) =>
      (second.inflight / (weights[j] ?? 1) + 1) * second.latencyUs(now) <
      (first.inflight / (weights[i] ?? 1) + 1) * first.latencyUs(now)
  }
  return (first, i, second, j, weights, now) =>
    load(second, weights[j] ?? 1, now) < load(first, weights[i] ?? 1, now)
}
