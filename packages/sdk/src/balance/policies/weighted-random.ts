import { below, type Random } from '../../random.js'
import {
  eligible,
  scanFrom,
  type Candidate,
  type PickContext,
  type Picker,
  type PickReport,
  type WeightOf,
} from '../picker.js'
import { WeightedIndex } from '../structures/weighted-index.js'

// With half of the endpoints not eligible, six draws in a row miss once in 0.5^6 = 1.6% of the picks.
const DRAWS = 6

/**
 * Random: any endpoint, with a probability proportional to its weight.
 * When: very many clients, where anything that looks at load would look the same to all of them.
 * When not: load is uneven; `least_request` costs one more draw. Expected O(1).
 * Source: Envoy `random`; the draw as in {@link WeightedIndex}.
 */
export function weightedRandom<E extends Candidate>(
  endpoints: readonly E[],
  random: Random,
  weightOf: WeightOf,
): Picker<E> {
  return new RandomPicker(endpoints, new WeightedIndex(endpoints.map(weightOf)), random)
}

class RandomPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #index: WeightedIndex
  readonly #random: Random

  constructor(endpoints: readonly E[], index: WeightedIndex, random: Random) {
    this.#endpoints = endpoints
    this.#index = index
    this.#random = random
  }

  pick(context: PickContext<E>): E | undefined {
    for (let draw = 0; draw < DRAWS; draw++) {
      const endpoint = this.#endpoints[this.#index.at(this.#random.bits())]
      if (endpoint !== undefined && eligible(endpoint, context)) return endpoint
    }
    return scanFrom(this.#endpoints, below(this.#endpoints.length, this.#random), context)
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    report.step('drawn at random, by weight, from those that are eligible')
    return this.pick(context)
  }
}
