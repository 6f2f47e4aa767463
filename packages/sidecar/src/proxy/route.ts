import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { OwnHosts } from '../inbound/own-hosts.js'

/** Names the service where the Host header cannot. */
export const SERVICE_HEADER = 'fairlead-service'

export interface Route {
  readonly service: string
  /** The path to request from the instance, in origin form. */
  readonly path: string
  /** The Host header to send: as received where that names the service, else the service. */
  readonly host: string
}

/** Why there is no route, for the author of the request. */
export interface NoRoute {
  readonly reason: string
  /** Its host is not accepted. */
  readonly misdirected?: true
}

/**
 * Which service a request is for: the header `fairlead-service`, else the target of a proxy request
 * (`GET http://orders/...`), else Host. `orders`, `orders:80`, `orders.service.consul` and `orders.service.consul.` are
 * the same service. Pure.
 *
 * The header is explicit, and takes precedence in every form of target: a client with `http_proxy` sends the absolute form
 * of what it would have sent to us anyway.
 *
 * @param hosts The hosts accepted beside `fairlead-service`, in the target or Host: otherwise any page in a browser on
 *   this machine could reach any service. Where the host itself names the service, a page can only name its own host.
 */
export function route(
  request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
  hosts: OwnHosts,
): Route | NoRoute {
  const { url: target = '/', headers } = request
  // RFC 9112, 3.2: a target has no fragment, which is for the client only (RFC 9110, 7.1). Envoy rejects it too: forwarded,
  // a check of the path and the server of the path may read it differently (CVE-2021-32779).
  if (target.includes('#'))
    return { reason: `its target is ${quoted(target)}: a target must not have a fragment ("#")` }
  if (target.startsWith('/')) return routeOf(HOST_HEADER, headers.host ?? '', target, headers, hosts)
  const [, host, path] = ABSOLUTE.exec(target) ?? []
  if (host === undefined || path === undefined)
    return { reason: `its target is ${quoted(target)}: it must be a path or an http:// URL` }
  // RFC 9112, 3.2.4: it would have to be sent as `OPTIONS *`, which is rejected too.
  if (path === '' && request.method === 'OPTIONS')
    return { reason: `OPTIONS ${quoted(target)} asks about the server as a whole: name a path, such as "/"` }
  // RFC 9112, 3.2.2: a proxy takes the host of the target and ignores the header.
  return routeOf(TARGET, host, path.startsWith('/') ? path : `/${path}`, headers, hosts)
}

// Scheme, user, host, path. Not a URL parser: that would rewrite dots, quotes and raw bytes of the path, which must stay
// as the application sent it.
const ABSOLUTE = /^http:\/\/(?:[^/?]*@)?([^/?]*)(.*)$/is

/** The part of a request that has its host, and an example that names a service there. */
interface Authority {
  readonly name: string
  readonly example: string
}

const HOST_HEADER: Authority = { name: 'its Host', example: 'Host: orders' }
const TARGET: Authority = { name: 'the host of its target', example: 'http://orders/' }

function routeOf(
  authority: Authority,
  host: string,
  path: string,
  headers: IncomingHttpHeaders,
  hosts: OwnHosts,
): Route | NoRoute {
  const named = headers[SERVICE_HEADER]
  if (typeof named === 'string' && named !== '') {
    // Consul's names and Host are case-insensitive: one service must not become two.
    const service = named.toLowerCase()
    if (!hosts.includes(host) && serviceOf(host, authority) !== service) return misdirected(host, authority)
    return { service, path, host: service }
  }
  const service = serviceOf(host, authority)
  return typeof service === 'string' ? { service, path, host } : service
}

const CONSUL_DOMAIN = '.service.consul'

// Digits and dots, or anything in brackets: an address, as a client sends that does not set Host.
const ADDRESS = /^(?:[\d.]+|\[.*\])$/

/** The common case: just a service. */
const PLAIN = /^[a-z][a-z0-9-]*$/

function serviceOf(host: string, { name: where, example }: Authority): string | NoRoute {
  if (PLAIN.test(host) && host !== 'localhost') return host
  const absolute = host.replace(/:\d*$/, '').toLowerCase()
  // RFC 1034, 3.1: an absolute name ends in a dot.
  const name = absolute.endsWith('.') ? absolute.slice(0, -1) : absolute
  if (name === '' || name === 'localhost' || ADDRESS.test(name)) {
    return {
      reason: `${where} is ${quoted(host)}: name the service there, such as "${example}", or in "${SERVICE_HEADER}: orders"`,
    }
  }
  if (/\.service\.[^.]+\.consul$/.test(name)) {
    return {
      reason: `${where} is ${quoted(host)}: a datacenter cannot be chosen by name, only <service>${CONSUL_DOMAIN}; use --datacenter or --failover`,
    }
  }
  return name.endsWith(CONSUL_DOMAIN) ? name.slice(0, -CONSUL_DOMAIN.length) : name
}

function misdirected(host: string, authority: Authority): NoRoute {
  return {
    reason: `${authority.name} is ${quoted(host)}, which this sidecar does not accept beside "${SERVICE_HEADER}": send ${authority === TARGET ? '"http://localhost/"' : '"Host: localhost"'}, or allow the name by --allowed-host`,
    misdirected: true,
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}
