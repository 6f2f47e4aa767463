import { isIPv6 } from 'node:net'
import type { ExcludedInstance, Instance } from './resolver.js'

/** What an answer of `/v1/health/service/<name>` says. */
export interface HealthSnapshot {
  readonly instances: readonly Instance[]
  readonly excluded: readonly ExcludedInstance[]
}

/** Worst check wins; see semantics in Consul's agent DNS, which weighs the same way. */
type Status = 'passing' | 'warning' | 'critical' | 'maintenance'

type Json = Readonly<Record<string, unknown>>

/**
 * Reads an answer that was asked for without `passing`, so that "unknown" and "all critical" stay apart.
 * Both lists are in the order of their keys, whatever the agent's order was.
 *
 * @throws Error when the answer as a whole is none; a single unusable instance is left out with its reason.
 */
export function decodeHealth(body: unknown): HealthSnapshot {
  if (!Array.isArray(body)) throw new Error(`expected a list of instances, got ${describe(body)}`)
  const instances: Instance[] = []
  const excluded: ExcludedInstance[] = []
  for (const entry of body as readonly unknown[]) {
    const decoded = decodeEntry(entry)
    if ('reason' in decoded) excluded.push(decoded)
    else instances.push(decoded)
  }
  return { instances: instances.sort(byKey), excluded: excluded.sort(byKey) }
}

/** Do two answers mean the same to a client? Indexes, check outputs and order do not count. */
export function sameHealth(a: HealthSnapshot, b: HealthSnapshot): boolean {
  return sameList(a.instances, b.instances, sameInstance) && sameList(a.excluded, b.excluded, sameExclusion)
}

function decodeEntry(entry: unknown): Instance | ExcludedInstance {
  const node = field(entry, 'Node')
  const service = field(entry, 'Service')
  const nodeName = text(node['Node'])
  const id = text(service['ID'])
  const host = text(service['Address']) || text(node['Address'])
  const port = service['Port']
  const key = `${nodeName}/${id}@${host}:${String(port)}`
  const unusable = (reason: string): ExcludedInstance => ({ key, reason, kind: 'unusable', priority: 0 })
  if (nodeName === '' || id === '') return unusable('has no node name or no service id')
  if (host === '') return unusable('has no address')
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    return unusable(`has port ${describe(port)}; register it with a port from 1 to 65535`)
  }
  const origin = originOf(host, port)
  if (origin === undefined) return unusable(`has address ${describe(host)}, which is no host name or IP`)
  const status = worstStatus((entry as Json)['Checks'], id)
  if (status === 'critical') return { key, reason: status, kind: 'unhealthy', priority: 0 }
  if (status === 'maintenance') return { key, reason: status, kind: 'deliberate', priority: 0 }
  return Object.freeze({
    key,
    origin,
    weight: weightFor(status, service['Weights']),
    priority: 0,
    tags: Array.isArray(service['Tags']) ? service['Tags'].map(text) : [],
    meta: stringMap(service['Meta']),
    locality: { datacenter: text(node['Datacenter']) || undefined },
  })
}

function originOf(host: string, port: number): string | undefined {
  const origin = `http://${isIPv6(host) ? `[${host}]` : host}:${port}`
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  // A host with a path, a query or a user in it would parse as well, as something else.
  return url?.pathname === '/' && url.username === '' && url.search === '' && url.hash === ''
    ? origin
    : undefined
}

function worstStatus(checks: unknown, serviceId: string): Status {
  let worst: Status = 'passing'
  for (const check of Array.isArray(checks) ? (checks as readonly unknown[]) : []) {
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

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : Number(a.key > b.key)
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => same(item, b[index] as T))
}

function sameInstance(a: Instance, b: Instance): boolean {
  return (
    a.key === b.key &&
    a.origin === b.origin &&
    a.weight === b.weight &&
    a.locality.datacenter === b.locality.datacenter &&
    sameList(a.tags, b.tags, Object.is) &&
    sameList(Object.entries(a.meta).flat(), Object.entries(b.meta).flat(), Object.is)
  )
}

function sameExclusion(a: ExcludedInstance, b: ExcludedInstance): boolean {
  return a.key === b.key && a.reason === b.reason
}

function field(value: unknown, name: string): Json {
  return asJson(asJson(value)[name])
}

function asJson(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {}
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function stringMap(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(asJson(value)).map(([name, entry]) => [name, text(entry)]))
}

function describe(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 60)
}
