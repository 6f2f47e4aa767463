import { below, type Random } from '../../random.js'
import { CIRCLE, WeightedIndex } from './weighted-index.js'

/** Draws pairs of indices, either of them in proportion to weight. */
export interface Pairs {
  first(): number
  /**
   * Another one than `first` has just returned, unless that has more than half of all weight.
   * Where there is but one, an index past the end.
   */
  second(): number
}

export function pairs(weights: readonly number[], random: Random): Pairs {
  const equal = weights.every((weight) => weight === weights[0])
  return equal ? new UniformPairs(weights.length, random) : new WeightedPairs(weights, random)
}

class UniformPairs implements Pairs {
  readonly #count: number
  readonly #random: Random
  #first = 0

  constructor(count: number, random: Random) {
    this.#count = count
    this.#random = random
  }

  first(): number {
    this.#first = below(this.#count, this.#random)
    return this.#first
  }

  second(): number {
    const other = below(this.#count - 1, this.#random)
    return other < this.#first ? other : other + 1
  }
}

/**
 * The second point is the first moved on around the circle by at least the longest arc and by no more than the rest
 * of it. A uniform point moved is uniform again, so the share stays exact, and no arc is long enough to hold both
 * points. An index that owns more than half of the circle must come up against itself at times, or it could not get
 * its share: there the points are independent.
 */
class WeightedPairs implements Pairs {
  readonly #index: WeightedIndex
  readonly #random: Random
  /** The least that the point moves, and by how much more it may. */
  readonly #least: number
  readonly #range: number
  #point = 0

  constructor(weights: readonly number[], random: Random) {
    const index = new WeightedIndex(weights)
    const least = index.largestShare > 0.5 ? 0 : index.largestShare
    this.#index = index
    this.#random = random
    this.#least = least * CIRCLE
    this.#range = 1 - 2 * least
  }

  first(): number {
    this.#point = this.#random.bits()
    return this.#index.at(this.#point)
  }

  second(): number {
    const move = this.#least + (this.#random.bits() >>> 0) * this.#range
    return this.#index.at((this.#point + move) | 0)
  }
}
