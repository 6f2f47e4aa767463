import { placeOf } from '../discovery/place.js'
import type { Instance } from '../discovery/resolver.js'
import { samePlaces } from './same-places.js'

/** What has to happen for the endpoints to be those of a snapshot. */
export interface Plan<E> {
  /** What there has to be, each place once, in the snapshot's order. */
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
 * Same place, and a registration in common: same endpoint, so its connections, its load and its circuit survive. Where
 * its name leads elsewhere it is another machine, and where nothing of its registrations is left another process:
 * connections to the old one must end, and its circuit says nothing of the new one.
 * Of two instances of one place the first counts.
 */
export function reconcile<E extends { readonly instance: Instance }>(
  current: ReadonlyMap<string, E>,
  instances: readonly Instance[],
): Plan<E> {
  return samePlaces(current, instances)
    ? reconcileInOrder([...current.values()], instances)
    : reconcileByPlace(current, instances)
}

/** With the same places as before in the same order there is none twice, and nothing to look up. */
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
    if (staysOn(endpoint.instance, instance)) {
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

function reconcileByPlace<E extends { readonly instance: Instance }>(
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
    const place = placeOf(instance)
    if (seen.has(place)) continue
    seen.add(place)
    const known = current.get(place)
    const stays = known !== undefined && staysOn(known.instance, instance)
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
  // What is removed leaves its place, or to one that is added.
  const changed = moved || added.length > 0 || !samePlaces(current, unique)
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

/** Of one place: is it the same process, by the same name? */
function staysOn(a: Instance, b: Instance): boolean {
  return a === b || (a.origin === b.origin && haveRegistrationInCommon(a, b))
}

function haveRegistrationInCommon(a: Instance, b: Instance): boolean {
  if (a.key === b.key) return true
  const after = registrationsOf(b)
  return registrationsOf(a).some((key) => after.includes(key))
}

function registrationsOf({ key, registrations }: Instance): readonly string[] {
  return registrations ?? [key]
}
