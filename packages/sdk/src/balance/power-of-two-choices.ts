import { below, type Random } from '../random.js'
import type { Load } from './load.js'
import { pairs, type Pairs } from './pairs.js'
import { eligible, scanFrom, type Balancer, type Candidate, type PickContext, type Picker } from './picker.js'

// With half of the endpoints not eligible, four pairs in a row miss once in 0.25^4 = 0.4% of the picks:
// rare enough to pay for a scan then.
const MORE_DRAWS = 3

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
  readonly #pairs: Pairs
  readonly #load: Load
  /** Weight of each endpoint relative to the mean. */
  readonly #weights: Float32Array
  readonly #random: Random

  constructor(endpoints: readonly E[], load: Load, random: Random) {
    const weights = endpoints.map(({ instance }) => instance.weight)
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
    this.#endpoints = endpoints
    this.#pairs = pairs(weights, random)
    this.#load = load
    this.#weights = Float32Array.from(weights, (weight) => weight / mean)
    this.#random = random
  }

  // Short enough to be compiled with all it calls as one: a fraction that crosses a call is an object.
  pick(context: PickContext<E>): E | undefined {
    const endpoints = this.#endpoints
    if (endpoints.length > 1) {
      const i = this.#pairs.first()
      const j = this.#pairs.second()
      const a = endpoints[i]
      const b = endpoints[j]
      if (a !== undefined && b !== undefined && eligible(a, context) && eligible(b, context)) {
        const { now } = context
        const weights = this.#weights
        return this.#load(b, weights[j] ?? 1, now) < this.#load(a, weights[i] ?? 1, now) ? b : a
      }
    }
    return this.#pickAmongFailing(context)
  }

  /** Not both were eligible: takes the first that is. */
  #pickAmongFailing(context: PickContext<E>): E | undefined {
    const endpoints = this.#endpoints
    for (let draw = 0; draw < MORE_DRAWS && endpoints.length > 1; draw++) {
      const endpoint = endpoints[this.#pairs.first()]
      if (endpoint !== undefined && eligible(endpoint, context)) return endpoint
    }
    return scanFrom(endpoints, below(endpoints.length, this.#random), context)
  }
}
