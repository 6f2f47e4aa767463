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
import { roundRobin } from './round-robin.js'

// Weights are scaled so that the largest is the largest 16-bit number, as in gRPC's static stride scheduler.
const FULL = 65_535
// Half of it: each endpoint starts half a cycle after its neighbour, so that equal weights do not skip together.
const HALF = 32_767

// With half of the endpoints not eligible, and where the largest weight is twice the mean, sixteen draws in a row miss
// once in 0.75^16 = 1% of the retries.
const DRAWS = 16

/**
 * Weighted round robin by static stride: over a full cycle each endpoint is picked in proportion to its
 * Consul weight, spread evenly over the cycle.
 * When: shares must follow the weights exactly. When not: endpoints whose speed varies; use `peak_ewma`.
 * Expected O(largest weight / mean weight) a pick, no heap, no state but a counter. A retry goes to a random one, by weight.
 * Source: gRPC A58, grpc-go `balancer/weightedroundrobin/scheduler.go`.
 */
export function weightedRoundRobin<E extends Candidate>(
  endpoints: readonly E[],
  random: Random,
  weightOf: WeightOf,
): Picker<E> {
  const weights = endpoints.map(weightOf)
  const equal = weights.every((weight) => weight === weights[0])
  return equal ? roundRobin(endpoints, random) : new StaticStridePicker(endpoints, weights, random)
}

class StaticStridePicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #strides: Uint16Array
  readonly #random: Random
  #index: number
  #generation: number

  constructor(endpoints: readonly E[], weights: readonly number[], random: Random) {
    const largest = weights.reduce((largest, weight) => Math.max(largest, weight), 0)
    this.#endpoints = endpoints
    this.#random = random
    // At least 1, or a very small weight would round to "never".
    this.#strides = Uint16Array.from(weights, (weight) => Math.max(1, Math.round((weight / largest) * FULL)))
    this.#index = Math.floor(random.next() * endpoints.length)
    this.#generation = Math.floor(random.next() * FULL)
  }

  pick(context: PickContext<E>): E | undefined {
    if (context.tried.length > 0) return this.#pickElsewhere(context)
    const index = this.#advance()
    const endpoint = this.#endpoints[index]
    if (endpoint === undefined) return undefined
    if (eligible(endpoint, context)) return endpoint
    // Others take the turns of one that is not eligible, in proportion to their weights.
    for (let draw = 0; draw < this.#endpoints.length; draw++) {
      const other = this.#endpoints[this.#advance()]
      if (other !== undefined && eligible(other, context)) return other
    }
    return scanFrom(this.#endpoints, index, context)
  }

  /** Takes no turn, and does not try the neighbor: adjacent instances, as of a rack, often fail together. */
  #pickElsewhere(context: PickContext<E>): E | undefined {
    for (let draw = 0; draw < DRAWS; draw++) {
      const index = below(this.#endpoints.length, this.#random)
      if (below(FULL, this.#random) >= (this.#strides[index] ?? FULL)) continue
      const endpoint = this.#endpoints[index]
      if (endpoint !== undefined && eligible(endpoint, context)) return endpoint
    }
    return scanFrom(this.#endpoints, below(this.#endpoints.length, this.#random), context)
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    report.step('the next eligible in rotation by weight')
    return this.pick(context)
  }

  /** The next index of the schedule. Ends, as the endpoint of the largest weight is taken in every generation. */
  #advance(): number {
    for (;;) {
      const index = this.#index
      const generation = this.#generation
      if (index + 1 < this.#endpoints.length) {
        this.#index = index + 1
      } else {
        this.#index = 0
        // The schedule repeats after FULL generations, so the counter may: it stays a small integer.
        this.#generation = generation + 1 < FULL ? generation + 1 : 0
      }
      const stride = this.#strides[index] ?? FULL
      if ((stride * generation + index * HALF) % FULL >= FULL - stride) return index
    }
  }
}
