import { below, type Random } from '../../random.js'
import { isTaken } from '../explain-pick.js'
import { comparisonBy, type Comparison, type Load } from './load.js'
import { pairs, type Pairs } from '../structures/pairs.js'
import type { PickReport } from '../picker.js'
import {
  eligible,
  scanFrom,
  type Balancer,
  type Candidate,
  type PickContext,
  type Picker,
  type WeightOf,
} from '../picker.js'

// With half of the endpoints not eligible, three pairs in a row miss once in 0.25^3 = 1.6% of the picks:
// rare enough to pay for a scan then.
const DRAWS = 3

/**
 * Power of two choices: draws two endpoints, takes the less loaded one.
 * Weights are honoured by the draw: either candidate is endpoint i with probability proportional to weight i,
 * so equally loaded endpoints get exactly their shares, and load decides what is left.
 * When: many clients, each of which sees a part of the load: comparing two is nearly as good as all, and clients do not
 * all choose the same idle endpoint. When not: few clients with long requests, for which `least_connections` compares all.
 * Source: Mitzenmacher, The Power of Two Choices in Randomized Load Balancing (2001). Expected O(1).
 */
export function powerOfTwoChoices(load: Load): Balancer {
  return <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> =>
    new PowerOfTwoChoicesPicker(endpoints, endpoints.map(weightOf), load, random)
}

class PowerOfTwoChoicesPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #pairs: Pairs
  readonly #load: Load
  readonly #secondIsLess: Comparison
  /** Weight of each endpoint relative to the mean. */
  readonly #weights: Float32Array
  readonly #random: Random
  /** The last pair. */
  #i = 0
  #j = 0

  constructor(endpoints: readonly E[], weights: readonly number[], load: Load, random: Random) {
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
    this.#endpoints = endpoints
    this.#pairs = pairs(weights, random)
    this.#load = load
    this.#secondIsLess = comparisonBy(load)
    // Without a function `from` copies at once, with one it goes through an iterator.
    this.#weights = Float32Array.from(weights.map((weight) => weight / mean))
    this.#random = random
  }

  pick(context: PickContext<E>): E | undefined {
    return this.#draw(context) ?? this.#pickAmongFailing(context)
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const endpoint = this.pick(context)
    report.step('the less loaded of two, drawn at random by weight')
    for (const index of new Set([this.#i, this.#j])) {
      const drawn = this.#endpoints[index]
      if (drawn === undefined || !isTaken(drawn, context, report)) continue
      report.compared(drawn, this.#load(drawn, this.#weights[index] ?? 1, context.now), this.#load.name)
    }
    return endpoint
  }

  /** The less loaded of a pair, or the one of it that is eligible. */
  #draw(context: PickContext<E>): E | undefined {
    const i = this.#pairs.first()
    const j = this.#pairs.second()
    this.#i = i
    this.#j = j
    const a = this.#endpoints[i]
    const b = this.#endpoints[j]
    if (b === undefined || !eligible(b, context))
      return a !== undefined && eligible(a, context) ? a : undefined
    if (a === undefined || !eligible(a, context)) return b
    return this.#secondIsLess(a, i, b, j, this.#weights, context.now) ? b : a
  }

  #pickAmongFailing(context: PickContext<E>): E | undefined {
    for (let draw = 1; draw < DRAWS; draw++) {
      const endpoint = this.#draw(context)
      if (endpoint !== undefined) return endpoint
    }
    return scanFrom(this.#endpoints, below(this.#endpoints.length, this.#random), context)
  }
}
