// What the mean is scaled to: the weights that come of it are whole, which is all that a pick counts in, and near enough.
const MEAN = 1000

// gRPC's limits (static_stride_scheduler.cc), by which a mistaken server neither gets all requests nor none.
const MOST = 10
const LEAST = 0.01

/**
 * Weights that have nothing but their ratios to say, as whole numbers around 1,000; who has none gets the mean of the
 * others. `undefined`: fewer than two have one, and there is nothing to compare (gRPC A58).
 * A weight is taken for at most 10 times and at least a hundredth of the middle one. In gRPC it is of the mean, but that
 * is where one server wants it that reports a million times what it can do.
 */
export function relativeWeights(own: readonly (number | undefined)[]): number[] | undefined {
  const known = own.filter((weight) => weight !== undefined).sort((a, b) => a - b)
  if (known.length < 2) return undefined
  // Of an even number the lower: between two servers it is the larger weight that is suspect.
  const middle = known[Math.floor((known.length - 1) / 2)] ?? 0
  const bounded = (weight: number): number => Math.min(Math.max(weight, middle * LEAST), middle * MOST)
  const mean = known.reduce((sum, weight) => sum + bounded(weight) / known.length, 0)
  return own.map((weight) => Math.max(1, Math.round((bounded(weight ?? mean) / mean) * MEAN)))
}

/** Would any share be off by more than this part of itself? */
export function sharesDiffer(old: readonly number[], now: readonly number[], part: number): boolean {
  const scale = sumOf(now) / sumOf(old)
  return now.some((weight, place) => Math.abs((old[place] ?? 0) * scale - weight) > part * weight)
}

function sumOf(weights: readonly number[]): number {
  return weights.reduce((sum, weight) => sum + weight, 0)
}
