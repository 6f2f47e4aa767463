import type { Random } from '../random.js'
import type { Balancer, Candidate, PickContext, Picker } from './picker.js'
import { roundRobin } from './round-robin.js'

/**
 * Keeps endpoints of weight 0 (healthy, but Consul's weight for a warning check is 0) out of the balancer's
 * sight, and in reserve for when it has no eligible endpoint.
 * Must stand around every balancer, so that no policy has to divide by a weight of zero.
 */
export function withLastResort(balancer: Balancer): Balancer {
  return <E extends Candidate>(endpoints: readonly E[], random: Random): Picker<E> => {
    const weighted = endpoints.filter(({ instance }) => instance.weight > 0)
    if (weighted.length === endpoints.length) return balancer(endpoints, random)
    const reserve = endpoints.filter(({ instance }) => instance.weight === 0)
    if (weighted.length === 0) return roundRobin(reserve, random)
    return new LastResortPicker(balancer(weighted, random), roundRobin(reserve, random))
  }
}

class LastResortPicker<E extends Candidate> implements Picker<E> {
  readonly #first: Picker<E>
  readonly #reserve: Picker<E>

  constructor(first: Picker<E>, reserve: Picker<E>) {
    this.#first = first
    this.#reserve = reserve
  }

  pick(context: PickContext<E>): E | undefined {
    return this.#first.pick(context) ?? this.#reserve.pick(context)
  }
}
