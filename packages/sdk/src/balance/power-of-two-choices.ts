import type { Random } from '../random.js'
import type { Load } from './load.js'
import { eligible, scanFrom, type Balancer, type Candidate, type PickContext, type Picker } from './picker.js'
import { WeightedIndex } from './weighted-index.js'

// With half of the endpoints not eligible, three pairs in a row miss once in 0.25^3 = 1.6% of the picks:
// rare enough to pay for a scan then.
const DRAWS = 3

/**
 * Power of two choices: draws two endpoints, takes the less loaded one.
 * Weights are honoured by the draw: either candidate is endpoint i with probability proportional to weight i,
 * so equally loaded endpoints get exactly their shares, and load decides what is left.
 * Source: Mitzenmacher, The Power of Two Choices in Randomized Load Balancing (2001). Expected O(1).
 */
export function powerOfTwoChoices(load: Load): Balancer {
  return <E extends Candidate>(endpoints: readonly E[], random: Random): Picker<E> =>
    new PowerOfTwoChoicesPicker(endpoints, load, random)
}

class PowerOfTwoChoicesPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #load: Load
  readonly #random: Random
  /** Weight of each endpoint relative to the mean. */
  readonly #weights: Float64Array
  /** Undefined while all weights are equal: then the draw is uniform. */
  readonly #weighted: WeightedIndex | undefined

  constructor(endpoints: readonly E[], load: Load, random: Random) {
    const weights = endpoints.map(({ instance }) => instance.weight)
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
    this.#endpoints = endpoints
    this.#load = load
    this.#random = random
    this.#weights = Float64Array.from(weights, (weight) => weight / mean)
    this.#weighted = weights.every((weight) => weight === weights[0]) ? undefined : new WeightedIndex(weights)
  }

  pick(context: PickContext<E>): E | undefined {
    const endpoints = this.#endpoints
    if (endpoints.length === 1) return scanFrom(endpoints, 0, context)
    for (let draw = 0; draw < DRAWS; draw++) {
      const point = this.#random.next()
      const i = this.#weighted?.at(point) ?? Math.floor(point * endpoints.length)
      const j = this.#second(point, i)
      const a = endpoints[i]
      const b = endpoints[j]
      if (a === undefined || b === undefined) return undefined
      if (eligible(a, context)) {
        if (i === j || !eligible(b, context)) return a
        const loadOfA = this.#load(a, this.#weights[i] ?? 1, context.now)
        const loadOfB = this.#load(b, this.#weights[j] ?? 1, context.now)
        return loadOfB < loadOfA ? b : a
      }
      if (eligible(b, context)) return b
    }
    return scanFrom(endpoints, Math.floor(this.#random.next() * endpoints.length), context)
  }

  /**
   * The second candidate, another one than the first.
   * Equal weights: uniform over the rest. Unequal: the first point moved on around the circle by at least the
   * longest arc and by no more than the rest of it. A uniform point moved is uniform again, so the share stays
   * exact, and no arc is long enough to hold both points. An endpoint that owns more than half of the circle
   * must come up against itself at times, or it could not get its share: there the points are independent.
   */
  #second(point: number, first: number): number {
    const weighted = this.#weighted
    if (weighted === undefined) {
      const other = Math.floor(this.#random.next() * (this.#endpoints.length - 1))
      return other < first ? other : other + 1
    }
    const shortest = weighted.largestShare > 0.5 ? 0 : weighted.largestShare
    const moved = point + shortest + this.#random.next() * (1 - 2 * shortest)
    return weighted.at(moved < 1 ? moved : moved - 1)
  }
}
