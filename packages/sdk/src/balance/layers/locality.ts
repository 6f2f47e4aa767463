import { requireKnown } from '../../validation/known-names.js'
import { invalidOption, requireCount } from '../../validation/invalid-option.js'
import type { Random } from '../../random.js'
import { explainPick, withRemark } from '../explain-pick.js'
import type { Balancer, Candidate, Layer, PickContext, Picker, PickReport, WeightOf } from '../picker.js'
import { WeightedIndex } from '../structures/weighted-index.js'
import { zoneShares } from './zone-shares.js'

/** Which zone `locality` prefers, and from how many endpoints on zones count. */
export interface LocalityOptions {
  /** This client's zone, as instances have it in Consul. */
  readonly zone: string
  /**
   * Which part of all clients of the service is in this client's zone, above 0, up to 1. Default: as many as in any other
   * zone that has instances.
   */
  readonly callerShare?: number | undefined
  /** With fewer endpoints than this zones do not count, 1 or more. Default 6, as Envoy's. */
  readonly minimumEndpoints?: number | undefined
}

const MINIMUM_ENDPOINTS = 6

/**
 * Locality: keeps requests in the client's own zone, as far as that zone has the capacity for the clients in it; the
 * rest goes to zones with capacity to spare, so that none is overloaded. Capacity is the weight of what can be sent
 * requests: where circuits open in the own zone, more goes elsewhere at once.
 * When: calls between zones are slow, or cost money. When not: zones without instances of their own for every service.
 * An instance's zone is `zone` in the meta of its service in Consul, else its node's `Locality.Zone` (Consul 1.17), else
 * `zone` or `availability_zone` in the meta of its node. Where the
 * own zone has no endpoint, or there are too few in all, zones do not count.
 * Requests with a key choose the zone by it, and so always the same.
 * O(1) beside the policy, which each zone has for itself; O(n) for a change of the set, and once a second.
 * Source: Envoy, `zone_aware.rst`.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { compose, createClient, locality } from '@fairlead/sdk'
 *
 * const orders = createClient('orders', {
 *   balancer: compose(locality({ zone: 'eu-west-1a' }), 'peak_ewma'),
 * })
 * ```
 */
export function locality(options: LocalityOptions): Layer {
  requireKnown('locality', options, ['zone', 'callerShare', 'minimumEndpoints'])
  const { zone, callerShare, minimumEndpoints = MINIMUM_ENDPOINTS } = options
  if (typeof zone !== 'string' || zone === '') throw invalidOption('zone', zone, 'the name of a zone')
  if (callerShare !== undefined && !(callerShare > 0 && callerShare <= 1)) {
    throw invalidOption('callerShare', callerShare, 'a number above 0, up to 1')
  }
  requireCount('minimumEndpoints', minimumEndpoints, 1, Number.MAX_SAFE_INTEGER)
  return (next: Balancer): Balancer =>
    <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> => {
      const groups = byZone(endpoints)
      const objection = objectionTo(groups, zone, endpoints.length, minimumEndpoints)
      if (objection !== undefined) {
        return withRemark(next(endpoints, random, weightOf), `zones do not count: ${objection}`)
      }
      const zones = [...groups].map(([name, members]) => ({
        name,
        own: name === zone,
        members,
        picker: next(members, random, weightOf),
      }))
      return new LocalityPicker(zones, callerShare ?? 1 / zones.length, random, weightOf)
    }
}

/** Why zones do not count. */
function objectionTo(
  groups: ReadonlyMap<string | undefined, unknown>,
  own: string,
  endpoints: number,
  minimumEndpoints: number,
): string | undefined {
  if (endpoints < minimumEndpoints) {
    return `too few endpoints to choose from, ${endpoints} of the ${minimumEndpoints} that it takes`
  }
  if (!groups.has(own)) return `no endpoint is in ${own}, our own`
  return groups.size < 2 ? `all endpoints are in ${own}, our own` : undefined
}

interface Zone<E extends Candidate> {
  /** Undefined: instances that have none. */
  readonly name: string | undefined
  readonly own: boolean
  readonly members: readonly E[]
  readonly picker: Picker<E>
}

class LocalityPicker<E extends Candidate> implements Picker<E> {
  /** The own zone first. */
  readonly #zones: readonly Zone<E>[]
  readonly #callerShare: number
  readonly #random: Random
  readonly #weightOf: WeightOf
  #shares: readonly number[] = []
  /** The zones that get any requests, and how many. */
  #used: readonly Zone<E>[] = []
  #index = new WeightedIndex([])

  constructor(zones: readonly Zone<E>[], callerShare: number, random: Random, weightOf: WeightOf) {
    this.#zones = [...zones].sort((a, b) => Number(b.own) - Number(a.own))
    this.#callerShare = callerShare
    this.#random = random
    this.#weightOf = weightOf
    this.#share()
  }

  pick(context: PickContext<E>): E | undefined {
    return this.#zoneFor(context)?.picker.pick(context) ?? this.#pickAnywhere(context)
  }

  refresh(now: number): void {
    for (const { picker } of this.#zones) picker.refresh?.(now)
    this.#share()
  }

  close(): void {
    for (const { picker } of this.#zones) picker.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const zone = this.#zoneFor(context)
    this.#zones.forEach((other, index) => {
      const { name = 'none', own, members } = other
      const percent = Math.round((this.#shares[index] ?? 0) * 100)
      const described = `zone ${name}${own ? ', our own,' : ''} gets ${percent}% of the requests`
      if (other === zone) report.step(described)
      else for (const endpoint of members) report.skipped(endpoint, described)
    })
    const endpoint = zone === undefined ? undefined : explainPick(zone.picker, context, report)
    if (endpoint !== undefined) return endpoint
    report.step('no endpoint is eligible there: the other zones, our own first')
    return this.#pickAnywhere(context)
  }

  #zoneFor(context: PickContext<E>): Zone<E> | undefined {
    const { hash } = context
    return this.#used[this.#index.at(hash === undefined ? this.#random.bits() : hash.low)]
  }

  #pickAnywhere(context: PickContext<E>): E | undefined {
    for (const { picker } of this.#zones) {
      const endpoint = picker.pick(context)
      if (endpoint !== undefined) return endpoint
    }
    return undefined
  }

  #share(): void {
    const zones = this.#zones.map(({ own, members }) => ({ own, capacity: this.#capacityOf(members) }))
    const shares = zoneShares(zones, this.#callerShare)
    if (shares.every((share, zone) => share === this.#shares[zone])) return
    this.#shares = shares
    this.#used = this.#zones.filter((_, zone) => (shares[zone] ?? 0) > 0)
    this.#index = new WeightedIndex(shares.filter((share) => share > 0))
  }

  #capacityOf(members: readonly E[]): number {
    let capacity = 0
    for (const endpoint of members) if (endpoint.available) capacity += this.#weightOf(endpoint)
    return capacity
  }
}

function byZone<E extends Candidate>(endpoints: readonly E[]): ReadonlyMap<string | undefined, readonly E[]> {
  const groups = new Map<string | undefined, E[]>()
  for (const endpoint of endpoints) {
    const { zone } = endpoint.instance.locality
    const peers = groups.get(zone)
    if (peers === undefined) groups.set(zone, [endpoint])
    else peers.push(endpoint)
  }
  return groups
}
