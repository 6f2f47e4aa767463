import { isIPv4, isIPv6 } from 'node:net'
import { flattened } from './compact.js'
import { asJson, describe, field, text, type Json } from '../../consul/json.js'

/** Which of an instance's addresses is taken. */
export interface AddressChoice {
  /** `wan`: where there is one, the address for other datacenters. */
  readonly network: 'lan' | 'wan'
  /** Undefined: either. */
  readonly ipFamily: 4 | 6 | undefined
}

export interface Address {
  readonly host: string
  /** As it was registered, which may be 0, or no number at all. */
  readonly port: unknown
}

/**
 * Where an instance is, by Consul's own rule: the address of the service, else that of its node; for another network
 * or family the tagged one, where there is one.
 * Source: Consul's agent/translate_addr.go. Pure.
 *
 * @param translated The agent has put WAN addresses in place already: doing it twice would take another one.
 * @returns A sentence about the instance where it has no such address.
 */
export function registeredAddress(
  service: Json,
  node: Json,
  { network, ipFamily }: AddressChoice,
  translated: boolean,
): Address | string {
  const own = { host: text(service['Address']) || text(node['Address']), port: portOf(service) }
  const wan = network === 'wan'
  const wide = wan && !translated ? tagged(service, node, 'wan') : undefined
  const plain = wide ?? own
  if (plain.host === '') return 'has no address'
  if (ipFamily === undefined) return plain
  const [isOfFamily, isOfOther] = ipFamily === 4 ? [isIPv4, isIPv6] : [isIPv6, isIPv4]
  // Consul fills in the tags of families from the service's own address, for `wan` as well: a WAN address that is
  // given goes before them.
  if (wan && (wide !== undefined || translated) && isOfFamily(plain.host)) return plain
  const ofFamily =
    tagged(service, node, `${network}_ipv${ipFamily}`) ??
    (wan ? tagged(service, node, `lan_ipv${ipFamily}`) : undefined)
  if (ofFamily !== undefined) return ofFamily
  // A host name may stand for either.
  return isOfOther(plain.host) ? `has address ${describe(plain.host)} and none of IPv${ipFamily}` : plain
}

/** The port of a service; one that is not there is 0, as Consul 1.13 omits a port of 0 from the answer. */
export function portOf(service: Json): unknown {
  return service['Port'] ?? 0
}

/** The service's are objects, in lower case in some of Consul's answers; the node's are strings. */
function tagged(service: Json, node: Json, tag: string): Address | undefined {
  const ofService = field(service['TaggedAddresses'], tag)
  const host = text(ofService['Address'] ?? ofService['address'])
  const port = ofService['Port'] ?? ofService['port'] ?? 0
  if (host !== '') return { host, port: port === 0 ? portOf(service) : port }
  // The node's count for a service that has no address of its own.
  const ofNode = text(asJson(node['TaggedAddresses'])[tag])
  return ofNode === '' || text(service['Address']) !== ''
    ? undefined
    : { host: ofNode, port: portOf(service) }
}

/** `http://host:port`; `undefined` where that is not an origin. Pure. */
export function registeredOrigin(scheme: 'http' | 'https', host: string, port: number): string | undefined {
  // Without the look for a colon each process would compile the pattern of IPv6, for 15 ms, mostly for nothing.
  const bracketed = host.includes(':') && isIPv6(host)
  const origin = flattened(scheme, '://', bracketed ? `[${host}]` : host, ':', String(port))
  // Most are plain addresses, and the parser below takes 2 us.
  if (isIPv4(host)) return origin
  // White space is what the parser would drop silently.
  const url = URL.canParse(origin) && !/\s/.test(host) ? new URL(origin) : undefined
  // A host with a path, a query or a user in it would parse as well, as something else.
  return url?.pathname === '/' && url.username === '' && url.search === '' && url.hash === ''
    ? origin
    : undefined
}
