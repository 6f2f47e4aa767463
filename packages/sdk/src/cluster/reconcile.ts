import type { Instance } from '../discovery/resolver.js'
import { sameKeys } from './same-keys.js'

/** What has to happen for the endpoints to be those of a snapshot. */
export interface Plan<E> {
  /** What there has to be, each key once, in the snapshot's order. */
  readonly instances: readonly Instance[]
  /** For each of these the endpoint that stays; undefined: it is new. */
  readonly kept: readonly (E | undefined)[]
  readonly added: readonly Instance[]
  readonly removed: readonly E[]
  /** Does a picker have to be made anew: is a member, the order, or anything that a balancer may go by different? */
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
  return sameKeys(current, instances)
    ? reconcileInOrder([...current.values()], instances)
    : reconcileByKey(current, instances)
}

/** With the same keys as before in the same order there is none twice, and nothing to look up. */
function reconcileInOrder<E extends { readonly instance: Instance }>(
  current: readonly E[],
  instances: readonly Instance[],
): Plan<E> {
  const added: Instance[] = []
  const removed: E[] = []
  let kept: readonly (E | undefined)[] = current
  let moved = false
  for (let place = 0; place < current.length; place++) {
    const endpoint = current[place]
    const instance = instances[place]
    if (endpoint === undefined || instance === undefined || endpoint.instance === instance) continue
    if (samePlace(endpoint.instance, instance)) {
      moved ||= shareDiffers(endpoint.instance, instance)
    } else {
      added.push(instance)
      removed.push(endpoint)
    }
  }
  if (removed.length > 0) {
    const gone = new Set(removed)
    kept = current.map((endpoint) => (gone.has(endpoint) ? undefined : endpoint))
  }
  return { instances, kept, added, removed, changed: moved || added.length > 0, inPlace: added.length === 0 }
}

function reconcileByKey<E extends { readonly instance: Instance }>(
  current: ReadonlyMap<string, E>,
  instances: readonly Instance[],
): Plan<E> {
  const unique: Instance[] = []
  const kept: (E | undefined)[] = []
  const added: Instance[] = []
  const seen = new Set<string>()
  const staying = new Set<E>()
  let moved = false
  for (const instance of instances) {
    if (seen.has(instance.key)) continue
    seen.add(instance.key)
    const known = current.get(instance.key)
    const stays = known !== undefined && samePlace(known.instance, instance)
    unique.push(instance)
    kept.push(stays ? known : undefined)
    if (stays) {
      staying.add(known)
      moved ||= shareDiffers(known.instance, instance)
    } else {
      added.push(instance)
    }
  }
  const removed: E[] = []
  if (staying.size < current.size)
    for (const endpoint of current.values()) if (!staying.has(endpoint)) removed.push(endpoint)
  const changed = moved || added.length > 0 || removed.length > 0 || !sameKeys(current, unique)
  return { instances: unique, kept, added, removed, changed, inPlace: false }
}

function shareDiffers(a: Instance, b: Instance): boolean {
  return (
    a.weight !== b.weight ||
    a.priority !== b.priority ||
    a.locality.zone !== b.locality.zone ||
    !sameTags(a.tags, b.tags) ||
    !sameMeta(a.meta, b.meta)
  )
}

function sameTags(a: Instance['tags'], b: Instance['tags']): boolean {
  return a === b || (a.length === b.length && a.every((tag, place) => tag === b[place]))
}

function sameMeta(a: Instance['meta'], b: Instance['meta']): boolean {
  if (a === b) return true
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
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
