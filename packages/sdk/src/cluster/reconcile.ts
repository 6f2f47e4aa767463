import type { Instance } from '../discovery/resolver.js'
import { sameKeys } from './same-keys.js'

/** What has to happen for the endpoints to be those of a snapshot. */
export interface Plan<E> {
  /** Endpoints that stay, in the snapshot's order, each with what is known of it now. */
  readonly kept: readonly { readonly endpoint: E; readonly instance: Instance }[]
  readonly added: readonly Instance[]
  readonly removed: readonly E[]
  /** Does a picker have to be made anew: is a member, a weight or a level different? */
  readonly changed: boolean
  /** Are they the same endpoints in the same order? */
  readonly inPlace: boolean
}

/**
 * Compares the live endpoints with a snapshot. Pure.
 * Same key, origin and addresses: same endpoint, so its connections, its load and its circuit survive. Where its name
 * leads elsewhere it is another machine, and connections to the old one must end.
 * Of two instances with one key the first counts.
 */
export function reconcile<E extends { readonly instance: Instance }>(
  current: ReadonlyMap<string, E>,
  instances: readonly Instance[],
): Plan<E> {
  const kept: { endpoint: E; instance: Instance }[] = []
  const added: Instance[] = []
  // With the same keys as before there is none twice.
  const inOrder = sameKeys(current, instances)
  const known = [...current.values()]
  const seen = new Set<string>()
  let moved = false
  for (const [place, instance] of instances.entries()) {
    if (!inOrder) {
      if (seen.has(instance.key)) continue
      seen.add(instance.key)
    }
    const endpoint = inOrder ? known[place] : current.get(instance.key)
    if (endpoint !== undefined && samePlace(endpoint.instance, instance)) {
      kept.push({ endpoint, instance })
      moved ||=
        endpoint.instance.weight !== instance.weight || endpoint.instance.priority !== instance.priority
    } else {
      added.push(instance)
    }
  }
  const allStay = kept.length === current.size
  return {
    kept,
    added,
    removed: allStay ? [] : without(known, kept),
    changed: moved || added.length > 0 || !allStay,
    inPlace: inOrder && allStay,
  }
}

/** The order of addresses is a preference, and no reason to give connections up. */
function samePlace(a: Instance, b: Instance): boolean {
  if (a === b) return true
  if (a.origin !== b.origin) return false
  const [before, after] = [a.addresses, b.addresses]
  if (before === after) return true
  if (before === undefined || after === undefined) return false
  return before.length === after.length && before.every((address) => after.includes(address))
}

function without<E>(all: readonly E[], kept: readonly { readonly endpoint: E }[]): readonly E[] {
  const stays = new Set(kept.map(({ endpoint }) => endpoint))
  return all.filter((endpoint) => !stays.has(endpoint))
}
