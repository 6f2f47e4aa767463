import type { EntryReader } from '../../consul/json-list.js'
import { registeredAddress, registeredOrigin, portOf, type AddressChoice } from './address.js'
import { flattened, Interner } from './compact.js'
import { asJson, describe, field, list, text, type Json } from '../../consul/json.js'
import { OWNER_META } from '../owner-meta.js'
import type { ExcludedInstance, Instance } from '../resolver.js'

/** What an answer of `/v1/health/service/<name>` says. */
export interface HealthSnapshot {
  readonly instances: readonly Instance[]
  readonly excluded: readonly ExcludedInstance[]
}

/** How an answer is read. */
export interface ReadOptions {
  /** The priority of its instances. */
  readonly priority: number
  /** Undefined: what an instance's meta says (`scheme`, or Spring Cloud's `secure`), else http. */
  readonly scheme: 'http' | 'https' | undefined
  readonly address: AddressChoice
  /** Exclude what has a warning as well. */
  readonly onlyPassing: boolean
  /** Before each key: node names may be the same in two datacenters. */
  readonly keyPrefix: string
}

/** Worst check wins; Consul's agent DNS weighs the same way. */
type Status = 'passing' | 'warning' | 'critical' | 'maintenance'

/** What is made of an entry of the answer. */
export type HealthEntry = Instance | ExcludedInstance

/** Reads the entries of an answer. A single unusable one is excluded with its reason. @param translated Are its addresses chosen already? */
export function healthReader(options: ReadOptions, translated: boolean): EntryReader<HealthEntry> {
  const interner = new Interner()
  return { read: (entry) => decodeEntry(entry, options, translated, interner), same: sameEntry }
}

/** @param order Of the instances: that of their keys, whatever the agent's was, or the agent's, where `near` is set. */
export function healthOf(entries: readonly HealthEntry[], order: 'by key' | "the agent's"): HealthSnapshot {
  const instances: Instance[] = []
  const excluded: ExcludedInstance[] = []
  for (const entry of entries) {
    if (isExcluded(entry)) excluded.push(entry)
    else instances.push(entry)
  }
  if (order === 'by key') instances.sort(byKey)
  return { instances, excluded: excluded.sort(byKey) }
}

/** Do two answers mean the same to a client? Indexes and check outputs do not count. */
export function sameHealth(a: HealthSnapshot, b: HealthSnapshot): boolean {
  return sameList(a.instances, b.instances, sameEntry) && sameList(a.excluded, b.excluded, sameEntry)
}

function decodeEntry(
  entry: unknown,
  options: ReadOptions,
  translated: boolean,
  interner: Interner,
): HealthEntry {
  const node = field(entry, 'Node')
  const service = field(entry, 'Service')
  const nodeName = text(node['Node'])
  const id = text(service['ID'])
  const { priority } = options
  const address = registeredAddress(service, node, options.address, translated)
  const [host, port] = typeof address === 'string' ? ['', portOf(service)] : [address.host, address.port]
  const key = flattened(options.keyPrefix, nodeName, '/', id, '@', host, ':', String(port))
  const leave = (kind: ExcludedInstance['kind'], reason: string): ExcludedInstance => ({
    key,
    reason,
    kind,
    priority,
  })
  if (nodeName === '' || id === '') return leave('unusable', 'has no node name or no service id')
  if (typeof address === 'string') return leave('unusable', address)
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    const socket = text(service['SocketPath'])
    const reason =
      socket === ''
        ? `has port ${describe(port)}; register it with a port from 1 to 65535`
        : `listens on socket ${describe(socket)}, where nothing can be sent from here`
    return leave('unusable', reason)
  }
  const meta = interner.intern(stringMap(service['Meta']))
  const origin = registeredOrigin(options.scheme ?? schemeOf(meta), host, port)
  if (origin === undefined)
    return leave('unusable', `has address ${describe(host)}, which is not a host name or IP`)
  const status = worstStatus(asJson(entry)['Checks'], id)
  if (status === 'maintenance') return leave('deliberate', status)
  if (status === 'critical' || (status === 'warning' && options.onlyPassing))
    return leave('unhealthy', status)
  return Object.freeze({
    key,
    origin,
    weight: weightFor(status, service['Weights']),
    priority,
    tags: interner.intern(list(service['Tags']).map(text)),
    meta,
    locality: interner.intern(localityOf(node, meta)),
  })
}

function worstStatus(checks: unknown, serviceId: string): Status {
  let worst: Status = 'passing'
  for (const check of list(checks)) {
    const { CheckID: id, Status: status, ServiceID: of } = asJson(check)
    // Checks of the node (no service id) hold for every service on it.
    if (text(of) !== '' && of !== serviceId) continue
    if (text(id) === '_node_maintenance' || text(id).startsWith('_service_maintenance:')) return 'maintenance'
    if (status === 'passing') continue
    if (status === 'warning') worst = worst === 'critical' ? worst : 'warning'
    // What is neither passing nor warning, known to us or not, cannot be trusted with requests.
    else worst = 'critical'
  }
  return worst
}

/** Consul's own rule: the weight of the status; 1 where none was registered. Warning may weigh 0. */
function weightFor(status: 'passing' | 'warning', weights: unknown): number {
  const weight = asJson(weights)[status === 'passing' ? 'Passing' : 'Warning']
  return typeof weight === 'number' && Number.isInteger(weight) && weight >= 0 && weight <= 65_535
    ? weight
    : 1
}

function schemeOf(meta: Readonly<Record<string, string>>): 'http' | 'https' {
  return meta['scheme']?.toLowerCase() === 'https' || meta['secure'] === 'true' ? 'https' : 'http'
}

/** The zone: by the service's meta, else by Consul's own locality (1.17), else by the node's meta. */
function localityOf(node: Json, meta: Readonly<Record<string, string>>): Instance['locality'] {
  const nodeMeta = field(node, 'Meta')
  const zone =
    meta['zone'] ||
    text(field(node, 'Locality')['Zone']) ||
    text(nodeMeta['zone']) ||
    text(nodeMeta['availability_zone'])
  return { datacenter: text(node['Datacenter']) || undefined, zone: zone || undefined }
}

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : Number(a.key > b.key)
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => same(item, b[index] as T))
}

function isExcluded(entry: HealthEntry): entry is ExcludedInstance {
  return 'reason' in entry
}

function sameEntry(a: HealthEntry, b: HealthEntry): boolean {
  // What has not changed is the same object.
  if (a === b) return true
  return isExcluded(a) ? isExcluded(b) && sameExclusion(a, b) : !isExcluded(b) && sameInstance(a, b)
}

function sameInstance(a: Instance, b: Instance): boolean {
  return (
    a.key === b.key &&
    a.origin === b.origin &&
    a.weight === b.weight &&
    a.priority === b.priority &&
    a.locality.datacenter === b.locality.datacenter &&
    a.locality.zone === b.locality.zone &&
    sameList(a.tags, b.tags, Object.is) &&
    sameMeta(a.meta, b.meta)
  )
}

function sameMeta(a: Instance['meta'], b: Instance['meta']): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}

function sameExclusion(a: ExcludedInstance, b: ExcludedInstance): boolean {
  return a.key === b.key && a.reason === b.reason && a.priority === b.priority
}

function stringMap(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(asJson(value)).flatMap(([name, entry]) =>
      name === OWNER_META ? [] : [[name, text(entry)]],
    ),
  )
}
