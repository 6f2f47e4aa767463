import { below, type Random } from '../../random.js'
import { isTaken } from '../explain-pick.js'
import {
  eligible,
  scanFrom,
  type Candidate,
  type PickContext,
  type Picker,
  type PickReport,
} from '../picker.js'

// With half of the endpoints not eligible, six draws in a row miss once in 0.5^6 = 1.6% of the retries.
const DRAWS = 6

/**
 * Round robin: each endpoint in turn, weights ignored.
 * When: equal machines and requests of about equal cost. When not: anything with uneven latency; use `peak_ewma`.
 * O(1). Starts at a random place, so that many clients do not all begin with the same endpoint; a retry goes to a random
 * one. Source: as old as time sharing; the start is gRPC's.
 */
export function roundRobin<E extends Candidate>(endpoints: readonly E[], random: Random): Picker<E> {
  return new RoundRobinPicker(endpoints, random)
}

class RoundRobinPicker<E extends Candidate> implements Picker<E> {
  readonly #endpoints: readonly E[]
  readonly #random: Random
  #next: number

  constructor(endpoints: readonly E[], random: Random) {
    this.#endpoints = endpoints
    this.#random = random
    this.#next = Math.floor(random.next() * endpoints.length)
  }

  pick(context: PickContext<E>): E | undefined {
    if (context.tried.length > 0) return this.#pickElsewhere(context)
    const endpoint = this.#take()
    if (endpoint === undefined || eligible(endpoint, context)) return endpoint
    return this.#takeNext(context)
  }

  #take(): E | undefined {
    const index = this.#next
    this.#next = index + 1 < this.#endpoints.length ? index + 1 : 0
    return this.#endpoints[index]
  }

  /** An endpoint that is not eligible loses its turn: if the next one took it, that would have two, or eleven after a rack of ten. */
  #takeNext(context: PickContext<E>): E | undefined {
    for (let turn = 1; turn < this.#endpoints.length; turn++) {
      const endpoint = this.#take()
      if (endpoint !== undefined && eligible(endpoint, context)) return endpoint
    }
    return undefined
  }

  /** Takes no turn, and does not try the neighbor: adjacent instances, as of a rack, often fail together. */
  #pickElsewhere(context: PickContext<E>): E | undefined {
    for (let draw = 0; draw < DRAWS; draw++) {
      const endpoint = this.#endpoints[below(this.#endpoints.length, this.#random)]
      if (endpoint !== undefined && eligible(endpoint, context)) return endpoint
    }
    return scanFrom(this.#endpoints, below(this.#endpoints.length, this.#random), context)
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const taken = isTaken(this.#endpoints[this.#next], context, report)
    report.step(taken ? 'next in rotation' : 'the next in rotation that is eligible')
    return this.pick(context)
  }
}
