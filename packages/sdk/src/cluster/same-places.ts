import { placeOf } from '../discovery/place.js'
import type { Instance } from '../discovery/resolver.js'

/**
 * Are these instances of the same places in the same order, whatever else is said of them? Pure.
 * Nearly every update of a large service is such a one, and nothing has to be indexed anew for it.
 */
export function samePlaces(known: ReadonlyMap<string, unknown>, instances: readonly Instance[]): boolean {
  if (known.size !== instances.length) return false
  let index = 0
  for (const place of known.keys()) {
    const instance = instances[index++]
    if (instance === undefined || placeOf(instance) !== place) return false
  }
  return true
}
