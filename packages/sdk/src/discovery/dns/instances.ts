import type { SrvRecord } from 'node:dns'
import { originOf } from '../origin.js'
import { placed } from '../hosts/placement.js'
import type { ExcludedInstance, Instance, Snapshot } from '../resolver.js'

type Scheme = 'http' | 'https'

/**
 * The instances of SRV records (RFC 2782). Targets of the lowest priority come first: their priorities are counted
 * from 0 here. A target of weight 0 among others with more is to have "a very small chance of being selected": it is a last
 * resort here. Where no target of a priority has a weight, all are equal.
 */
export function instancesOfSrv(records: readonly SrvRecord[], scheme: Scheme): Snapshot {
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b)
  const weighted = new Set(records.filter(({ weight }) => weight > 0).map(({ priority }) => priority))
  const instances = new Map<string, Instance>()
  const excluded: ExcludedInstance[] = []
  for (const { name, port, priority, weight } of records.toSorted(byPlace)) {
    const target = withoutDot(name)
    // "A Target of "." means that the service is decidedly not available at this domain."
    if (target === '') continue
    const key = `dns/${target}:${port}`
    // A target that is listed twice counts as it does first, in the priority that comes first.
    if (instances.has(key)) continue
    const rank = priorities.indexOf(priority)
    const origin = port === 0 ? undefined : originOf(scheme, target, port)
    if (origin === undefined) {
      const reason =
        port === 0 ? 'has port 0' : `has target ${JSON.stringify(target)}, which is not a host name`
      excluded.push({ key, reason, kind: 'unusable', priority: rank })
    } else {
      instances.set(key, instanceAt(key, origin, rank, weighted.has(priority) ? weight : 1))
    }
  }
  return { kind: 'snapshot', instances: Object.freeze([...instances.values()]), excluded }
}

/** The instances of address records: one for each address, or one for a single address of each family. */
export function instancesOfAddresses(
  name: string,
  port: number,
  addresses: readonly string[],
  scheme: Scheme,
): Snapshot {
  const origin = originOf(scheme, withoutDot(name), port)
  if (addresses.length === 0 || origin === undefined) return { kind: 'snapshot', instances: [], excluded: [] }
  const key = `dns/${withoutDot(name)}:${port}`
  const instances = placed(instanceAt(key, origin, 0, 1), addresses).map((instance) => {
    // By its address in any case, so that the first machine stays the same one when a second appears beside it.
    return Object.freeze({ ...instance, key: `${key}/${instance.addresses?.[0] ?? ''}`, weight: 1 })
  })
  return { kind: 'snapshot', instances: Object.freeze(instances), excluded: [] }
}

function instanceAt(key: string, origin: string, priority: number, weight: number): Instance {
  return Object.freeze({ key, origin, weight, priority, tags: [], meta: {}, locality: {} })
}

/** DNS answers in any order; ours is always the same. */
function byPlace(a: SrvRecord, b: SrvRecord): number {
  return a.priority - b.priority || (a.name < b.name ? -1 : Number(a.name > b.name)) || a.port - b.port
}

/** Names in DNS are absolute and know no case. */
function withoutDot(name: string): string {
  return name.replace(/\.$/, '').toLowerCase()
}
