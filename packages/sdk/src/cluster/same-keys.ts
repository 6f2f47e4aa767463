import type { Instance } from '../discovery/resolver.js'

/**
 * Are these the same instances in the same order, whatever else is said of them? Pure.
 * Nearly every update of a large service is such a one, and nothing has to be indexed anew for it.
 */
export function sameKeys(known: ReadonlyMap<string, unknown>, instances: readonly Instance[]): boolean {
  if (known.size !== instances.length) return false
  let place = 0
  for (const key of known.keys()) if (instances[place++]?.key !== key) return false
  return true
}
