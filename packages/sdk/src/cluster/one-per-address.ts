import { addressOfPlace, placeOf } from '../discovery/place.js'
import type { Instance } from '../discovery/resolver.js'

/** Several registrations of one address, and what was made of them. */
interface Merged {
  readonly registered: readonly Instance[]
  readonly instance: Instance
}

/**
 * Makes one instance of all registrations of an address: stale ones of a process that has come back under another id, or
 * several workers behind one port. Otherwise an address that is dead would fail a request as often as it is listed, and
 * its circuits would count as many in a panic.
 *
 * One of them speaks for the address: of the first priority that it is registered with the one with the smallest key, so that
 * every client takes the same one, and that another one leaves changes nothing. Tags, meta, zone and scheme are that
 * one's; the weight is the largest of those of this priority.
 */
export class OnePerAddress {
  /** The last set, where no address in it was listed twice. */
  #distinct: readonly Instance[] = []
  #merged: ReadonlyMap<string, Merged> = new Map<string, Merged>()

  /** The same list where no address is in it twice; else each at the place of its first registration. */
  of(instances: readonly Instance[]): readonly Instance[] {
    // Nearly every update of a large service changes none of its addresses.
    if (sameAddresses(this.#distinct, instances)) return (this.#distinct = instances)
    const byAddress = new Map<string, Instance | Instance[]>()
    for (const instance of instances) {
      const address = addressOfPlace(placeOf(instance))
      const known = byAddress.get(address)
      if (known === undefined) byAddress.set(address, instance)
      else if (Array.isArray(known)) known.push(instance)
      else byAddress.set(address, [known, instance])
    }
    if (byAddress.size === instances.length) {
      this.#merged = new Map()
      return (this.#distinct = instances)
    }
    this.#distinct = []
    return this.#merge(byAddress)
  }

  #merge(byAddress: ReadonlyMap<string, Instance | readonly Instance[]>): readonly Instance[] {
    const merged = new Map<string, Merged>()
    const result: Instance[] = []
    for (const [address, registered] of byAddress) {
      if (!isList(registered)) {
        result.push(registered)
        continue
      }
      const before = this.#merged.get(address)
      // The same object for the same registrations: by that it is told that nothing has changed.
      const unchanged = before !== undefined && sameList(before.registered, registered)
      const instance = unchanged ? before.instance : mergedOf(registered)
      merged.set(address, { registered, instance })
      result.push(instance)
    }
    this.#merged = merged
    return result
  }
}

function mergedOf(registered: readonly Instance[]): Instance {
  const byKey = new Map<string, Instance>()
  // Of two with one key the first counts.
  for (const instance of registered) if (!byKey.has(instance.key)) byKey.set(instance.key, instance)
  const [speaker, ...others] = [...byKey.values()].sort(bySpeaker)
  if (speaker === undefined) throw new RangeError('an address is of one registration at least')
  if (others.length === 0) return speaker
  const peers = [speaker, ...others].filter(({ priority }) => priority === speaker.priority)
  return Object.freeze({
    ...speaker,
    weight: Math.max(...peers.map(({ weight }) => weight)),
    registrations: Object.freeze([...byKey.keys()].sort()),
  })
}

function bySpeaker(a: Instance, b: Instance): number {
  return a.priority - b.priority || (a.key < b.key ? -1 : Number(a.key > b.key))
}

/** Is each at the address of the one in its place? */
function sameAddresses(before: readonly Instance[], after: readonly Instance[]): boolean {
  if (before.length !== after.length) return false
  for (let index = 0; index < after.length; index++) {
    const known = before[index]
    const instance = after[index]
    if (known === instance) continue
    if (known === undefined || instance === undefined) return false
    if (known.origin !== instance.origin || placeOf(known) !== placeOf(instance)) return false
  }
  return true
}

function sameList(a: readonly Instance[], b: readonly Instance[]): boolean {
  return a.length === b.length && a.every((instance, index) => instance === b[index])
}

function isList(registered: Instance | readonly Instance[]): registered is readonly Instance[] {
  return Array.isArray(registered)
}
