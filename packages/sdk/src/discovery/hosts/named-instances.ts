import { hostOf } from '../origin.js'
import { placed } from './placement.js'
import type { ExcludedInstance, Instance, Snapshot } from '../resolver.js'

/** What is known of a host name: its addresses, or why there are none. */
export type Found = { readonly addresses: readonly string[] } | { readonly fault: string }

/** The host names among the instances, as far as their addresses are not known yet. */
export function namesIn({ instances }: Snapshot): ReadonlySet<string> {
  const names = new Set<string>()
  for (const instance of instances) if (hasName(instance)) names.add(hostOf(instance.origin))
  return names
}

/** Could anything be sent to one of the instances now? */
export function hasUsable({ instances }: Snapshot, find: (name: string) => Found): boolean {
  return instances.some((one) => !hasName(one) || 'addresses' in find(hostOf(one.origin)))
}

/** The set with addresses for its names, and without the instances that have none; the same object if it has no `names`. */
export function withAddresses(
  source: Snapshot,
  names: ReadonlySet<string>,
  find: (name: string) => Found,
): Snapshot {
  if (names.size === 0) return source
  const instances: Instance[] = []
  const excluded: ExcludedInstance[] = [...source.excluded]
  for (const instance of source.instances) {
    if (!hasName(instance)) {
      instances.push(instance)
      continue
    }
    const host = hostOf(instance.origin)
    const found = find(host)
    if ('addresses' in found) {
      instances.push(...placed(instance, found.addresses))
    } else {
      const { key, priority } = instance
      excluded.push({
        key,
        reason: `has host name ${host}, which ${found.fault}`,
        kind: 'unusable',
        priority,
      })
    }
  }
  return { ...source, instances, excluded }
}

const ZERO = 0x30
const NINE = 0x39
const DOT = 0x2e

/**
 * Names must be cheap to tell from addresses: a set has up to 10,000 instances, and most sets have no name. What is
 * nothing but digits and dots is an address, as no top-level domain is a number (RFC 3696, 2).
 */
function hasName({ origin, addresses }: Instance): boolean {
  if (addresses !== undefined) return false
  const start = origin.indexOf('//') + 2
  if (origin[start] === '[') return false
  const end = origin.indexOf(':', start)
  for (let at = start; at < (end < 0 ? origin.length : end); at++) {
    const code = origin.charCodeAt(at)
    if (code !== DOT && (code < ZERO || code > NINE)) return true
  }
  return false
}
