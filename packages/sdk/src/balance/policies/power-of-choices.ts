import { invalidOption } from '../../validation/invalid-option.js'
import { below, type Random } from '../../random.js'
import { isTaken } from '../explain-pick.js'
import type { Load } from './load.js'
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
import { powerOfTwoChoices } from './power-of-two-choices.js'
import { SpreadPoints } from '../structures/spread-points.js'
import { WeightedIndex } from '../structures/weighted-index.js'

// gRPC's limits (A48): below 2 there is nothing to choose, and what is above 10 counts as 10.
const LEAST_CHOICES = 2
const MOST_CHOICES = 10

// With half of the endpoints not eligible, three draws of three miss once in 0.5^9 = 0.2% of the picks.
const DRAWS = 3

/**
 * Power of choices: draws `choiceCount` endpoints, takes the least loaded one. Two are most of the gain
 * ({@link powerOfTwoChoices}); more of them even out load further, and herd more: many clients that compare most of a
 * service all choose the same idle endpoint.
 * When: two choices leave load too uneven, and clients are few. When not: hundreds of clients.
 * Weights are honoured by the draw, as with two choices. Expected O(choices).
 * Source: gRPC A48 and Envoy, least request with a choice count.
 *
 * @param choiceCount A whole number of 2 or more; above 10 is 10. Where it is the number of endpoints or more, all are
 *   compared.
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { createClient, leastRequest, powerOfChoices } from '@fairlead/sdk'
 *
 * const reports = createClient('reports', { balancer: powerOfChoices(leastRequest, 4) })
 * ```
 */
export function powerOfChoices(load: Load, choiceCount: number): Balancer {
  if (!Number.isInteger(choiceCount) || choiceCount < LEAST_CHOICES) {
    throw invalidOption('choiceCount', choiceCount, 'a whole number, 2 or more')
  }
  if (choiceCount === 2) return powerOfTwoChoices(load)
  const choices = Math.min(choiceCount, MOST_CHOICES)
  return <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> =>
    endpoints.length <= 2
      ? powerOfTwoChoices(load)(endpoints, random, weightOf)
      : new PowerOfChoicesPicker(endpoints, endpoints.map(weightOf), load, choices, random)
}

class PowerOfChoicesPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #load: Load
  readonly #choices: number
  readonly #index: WeightedIndex
  readonly #points: SpreadPoints
  /** Weight of each endpoint relative to the mean. */
  readonly #weights: Float32Array
  readonly #random: Random

  constructor(
    endpoints: readonly E[],
    weights: readonly number[],
    load: Load,
    choices: number,
    random: Random,
  ) {
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
    this.#endpoints = endpoints
    this.#load = load
    this.#choices = Math.min(choices, endpoints.length)
    this.#index = new WeightedIndex(weights)
    // Of all of them only where to begin is drawn.
    const drawn = this.#choices < endpoints.length ? this.#choices : 1
    this.#points = new SpreadPoints(drawn, this.#index.largestShare, random)
    this.#weights = Float32Array.from(weights, (weight) => weight / mean)
    this.#random = random
  }

  pick(context: PickContext<E>): E | undefined {
    for (let draw = 0; draw < DRAWS; draw++) {
      const endpoint = this.#draw(context)
      if (endpoint !== undefined) return endpoint
    }
    return scanFrom(this.#endpoints, below(this.#endpoints.length, this.#random), context)
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const endpoint = this.pick(context)
    const all = this.#choices === this.#endpoints.length
    report.step(
      all ? 'the least loaded of all' : `the least loaded of ${this.#choices}, drawn at random by weight`,
    )
    // Without a draw in between, the points are still those of the pick.
    const drawn = all
      ? this.#endpoints.keys()
      : Array.from({ length: this.#choices }, (_, choice) => this.#index.at(this.#points.at(choice)))
    for (const index of new Set(drawn)) {
      const other = this.#endpoints[index]
      if (other === undefined || !isTaken(other, context, report)) continue
      report.compared(other, this.#load(other, this.#weights[index] ?? 1, context.now), this.#load.name)
    }
    return endpoint
  }

  /** The least loaded of those drawn that are eligible; of equals the first. */
  #draw(context: PickContext<E>): E | undefined {
    const { now } = context
    const all = this.#choices === this.#endpoints.length
    let least: E | undefined
    let leastLoad = 0
    let index = 0
    this.#points.draw()
    for (let choice = 0; choice < this.#choices; choice++) {
      index = !all || choice === 0 ? this.#index.at(this.#points.at(choice)) : this.#following(index)
      const endpoint = this.#endpoints[index]
      if (endpoint === undefined || !eligible(endpoint, context)) continue
      const load = this.#load(endpoint, this.#weights[index] ?? 1, now)
      if (least !== undefined && load >= leastLoad) continue
      least = endpoint
      leastLoad = load
    }
    return least
  }

  #following(index: number): number {
    return index + 1 < this.#endpoints.length ? index + 1 : 0
  }
}
