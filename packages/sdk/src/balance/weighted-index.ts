/**
 * Maps a point of the unit circle to an index, each index owning an arc proportional to its weight.
 * Inverse of the cumulative distribution by a guide table: expected O(1) a look-up, O(n) to build
 * (Chen and Asau 1974; Devroye, Non-Uniform Random Variate Generation, III.2.4).
 */
export class WeightedIndex {
  /** The largest share of the circle that one index owns. */
  readonly largestShare: number
  /** End of each arc, ascending; the last is 1. */
  readonly #ends: Float64Array
  /** For each of n equal slices of the circle, the first index whose arc reaches into it. */
  readonly #guide: Uint32Array

  constructor(weights: readonly number[]) {
    const count = weights.length
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    this.#ends = new Float64Array(count)
    this.#guide = new Uint32Array(count)
    let sum = 0
    let largest = 0
    weights.forEach((weight, index) => {
      sum += weight
      largest = Math.max(largest, weight)
      this.#ends[index] = sum / total
    })
    // Rounding must not leave a sliver at the end of the circle that nobody owns.
    if (count > 0) this.#ends[count - 1] = 1
    this.largestShare = largest / total
    for (let slice = 0, index = 0; slice < count; slice++) {
      while ((this.#ends[index] ?? 1) <= slice / count) index++
      this.#guide[slice] = index
    }
  }

  /** The index that owns `point`, at least 0 and below 1. */
  at(point: number): number {
    let index = this.#guide[Math.floor(point * this.#guide.length)] ?? 0
    while ((this.#ends[index] ?? 1) <= point) index++
    return index
  }
}
