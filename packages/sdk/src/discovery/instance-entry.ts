import * as v from 'valibot'
import { count, group, table } from '../validation/schemas.js'
import { originOf, parseOrigin } from './origin.js'
import type { Instance } from './resolver.js'

/** An instance as people write it down: all but address and port has a default. */
export interface InstanceFields {
  /** A host name or an IP address. */
  readonly address: string
  /** 1 to 65,535. */
  readonly port: number
  /** Default `http`. */
  readonly scheme?: 'http' | 'https' | undefined
  /** Share of the load relative to its peers, 0 to 65,535; 0 = last resort. Default 1. */
  readonly weight?: number | undefined
  /** 0 = first; a higher priority gets what those before it cannot carry. Default 0. */
  readonly priority?: number | undefined
  /** The zone that it runs in. Default: not known. */
  readonly zone?: string | undefined
  /** Tags as in Consul, for balancers and `exclude` to read. Default: none. */
  readonly tags?: readonly string[] | undefined
  /** Meta as in Consul, names to strings, for balancers and `exclude` to read. Default: none. */
  readonly meta?: Readonly<Record<string, string>> | undefined
  /** Tells apart what shares address and port. Default `host:port`. */
  readonly id?: string | undefined
}

/** `http://host:port`, `https://host:port`, or an object that says more. */
export type InstanceEntry = string | InstanceFields

const ORIGIN = 'http://host:port or https://host:port, without a path'
const ENTRY = 'an origin such as "http://10.0.0.1:8080", or an object with address and port'
const TEXT = 'a string that is not empty; put it in quotes'

const text = v.pipe(v.string(TEXT), v.minLength(1, TEXT))
const origin = v.pipe(
  v.string(ORIGIN),
  v.check((value) => parseOrigin(value) !== undefined, ORIGIN),
)
const address = v.pipe(
  v.string('a host name or an IP address, in quotes'),
  v.check((value) => originOf('http', value, 80) !== undefined, 'a host name or an IP address, no more'),
)

// As in Envoy; it bounds what a typing mistake can cost.
const LOWEST_PRIORITY = 127

// A number would be a trap of YAML: without quotes, version 1.10 is 1.1.
const QUOTED = 'a string; put it in quotes'
export const tagsSchema: v.GenericSchema<string[]> = v.array(v.string(QUOTED), 'a list of strings')
export const metaSchema: v.GenericSchema<Record<string, string>> = table(
  v.string(),
  v.string(QUOTED),
  'a map of names to strings',
)

const fields = group(
  {
    address,
    port: count(1, 65_535),
    scheme: v.optional(v.picklist(['http', 'https'], 'http or https')),
    weight: v.optional(count(0, 65_535)),
    priority: v.optional(count(0, LOWEST_PRIORITY)),
    zone: v.optional(text),
    id: v.optional(text),
    tags: v.optional(tagsSchema),
    meta: v.optional(metaSchema),
  },
  ENTRY,
)

/** By its type, so that a complaint is about what was written, not about what else it could have been. */
export const entrySchema: v.GenericSchema<unknown, InstanceEntry> = v.lazy((entry) =>
  typeof entry === 'string' ? origin : fields,
)

/** The instance that an entry stands for, once the schema has let it pass. `source`: begins its key. */
export function instanceOf(entry: InstanceEntry, source: string): Instance {
  const given: Partial<InstanceFields> = typeof entry === 'string' ? {} : entry
  const { address: host = '', port = 0, scheme = 'http' } = given
  const at = (typeof entry === 'string' ? parseOrigin(entry) : originOf(scheme, host, port)) ?? ''
  const place = at.slice(at.indexOf('//') + 2)
  return Object.freeze({
    key: `${source}/${given.id ?? place}@${place}`,
    origin: at,
    weight: given.weight ?? 1,
    priority: given.priority ?? 0,
    tags: Object.freeze([...(given.tags ?? [])]),
    meta: Object.freeze({ ...given.meta }),
    locality: Object.freeze(given.zone === undefined ? {} : { zone: given.zone }),
  })
}

/** What to say of the first instance whose key an earlier one has; undefined: there is none. */
export function duplicateIn(
  instances: readonly Instance[],
  name: string,
): { index: number; complaint: string } | undefined {
  const seen = new Map<string, number>()
  for (const [index, { key, origin: at }] of instances.entries()) {
    const earlier = seen.get(key)
    seen.set(key, index)
    if (earlier === undefined) continue
    const complaint = `${name}[${index}] is ${name}[${earlier}] again (${at}): remove it; for a larger share give the other more weight`
    return { index, complaint }
  }
  return undefined
}
