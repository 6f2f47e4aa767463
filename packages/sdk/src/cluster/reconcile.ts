import type { Instance } from '../discovery/resolver.js'

/** What has to happen for the endpoints to be those of a snapshot. */
export interface Plan<E> {
  /** Endpoints that stay, in the snapshot's order, each with what is known of it now. */
  readonly kept: readonly { readonly endpoint: E; readonly instance: Instance }[]
  readonly added: readonly Instance[]
  readonly removed: readonly E[]
  /** Does a picker have to be made anew: is a member, a weight or a level different? */
  readonly changed: boolean
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
  const seen = new Set<string>()
  const stays = new Set<E>()
  let moved = false
  for (const instance of instances) {
    if (seen.has(instance.key)) continue
    seen.add(instance.key)
    const endpoint = current.get(instance.key)
    if (endpoint !== undefined && samePlace(endpoint.instance, instance)) {
      stays.add(endpoint)
      kept.push({ endpoint, instance })
      moved ||=
        endpoint.instance.weight !== instance.weight || endpoint.instance.priority !== instance.priority
    } else {
      added.push(instance)
    }
  }
  const removed = [...current.values()].filter((endpoint) => !stays.has(endpoint))
  return { kept, added, removed, changed: moved || added.length > 0 || removed.length > 0 }
}

/** The order of addresses is a preference, and no reason to give connections up. */
function samePlace(a: Instance, b: Instance): boolean {
  if (a.origin !== b.origin) return false
  const [before, after] = [a.addresses, b.addresses]
  if (before === after) return true
  if (before === undefined || after === undefined) return false
  return before.length === after.length && before.every((address) => after.includes(address))
}
