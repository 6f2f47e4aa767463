import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { OwnHosts } from '../inbound/own-hosts.js'

/** Names the service where the Host header cannot. */
export const SERVICE_HEADER = 'fairlead-service'

export interface Route {
  readonly service: string
  /** What to ask of the instance, in origin form. */
  readonly path: string
  /** The Host header that the instance gets: as received where that names the service, else the service. */
  readonly host: string
}

/** Why there is no route, as a sentence for whoever wrote the request. */
export interface NoRoute {
  readonly refusal: string
  /** It came under a name that is none of ours. */
  readonly misdirected?: true
}

/**
 * Which service a request is for: the header `fairlead-service`, else the target of a proxy request
 * (`GET http://orders/...`), else Host. `orders`, `orders:80`, `orders.service.consul` and `orders.service.consul.` are
 * the same service. Pure.
 *
 * The header is the explicit word, and decides in whichever form a target comes: a client behind `http_proxy` writes the
 * absolute form of what it would have sent to us anyway.
 *
 * @param hosts What the host of the target, or Host, may be beside `fairlead-service`: else any page in a browser on this
 *   machine could reach any service. Where it is what names the service, a page's own host names none, or the page's own.
 */
export function route(
  request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
  hosts: OwnHosts,
): Route | NoRoute {
  const { url: target = '/', headers } = request
  // RFC 9112, 3.2: no form of a target has a fragment, which stays with the client (RFC 9110, 7.1). Envoy's answer too:
  // passed on, whoever checks the path and whoever serves it may read it differently (CVE-2021-32779).
  if (target.includes('#'))
    return { refusal: `its target is ${quoted(target)}: a target has no fragment ("#")` }
  if (target.startsWith('/')) return routeOf(HOST_HEADER, headers.host ?? '', target, headers, hosts)
  const [, host, rest] = ABSOLUTE.exec(target) ?? []
  if (host === undefined || rest === undefined)
    return { refusal: `its target is ${quoted(target)}: it must be a path or an http:// URL` }
  // RFC 9112, 3.2.4: the instance would have to get `OPTIONS *`, which is refused in that form too.
  if (rest === '' && request.method === 'OPTIONS')
    return { refusal: `OPTIONS ${quoted(target)} asks about the server as a whole: name a path, such as "/"` }
  // RFC 9112, 3.2.2: a proxy takes the host of the target and ignores the header.
  return routeOf(TARGET, host, rest.startsWith('/') ? rest : `/${rest}`, headers, hosts)
}

// Scheme, user, host, rest. Not a URL parser: that would rewrite dots, quotes and raw bytes of the path, and the
// path is the application's.
const ABSOLUTE = /^http:\/\/(?:[^/?]*@)?([^/?]*)(.*)$/is

/** Where a request says which host it is for, and how that would name a service. */
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
    // Consul takes no notice of case, and neither does Host: one service must not become two.
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

/** As most hosts are: a service, and no more to it. */
const PLAIN = /^[a-z][a-z0-9-]*$/

function serviceOf(host: string, { name: where, example }: Authority): string | NoRoute {
  if (PLAIN.test(host) && host !== 'localhost') return host
  const absolute = host.replace(/:\d*$/, '').toLowerCase()
  // RFC 1034, 3.1: an absolute name ends in the dot of the root.
  const name = absolute.endsWith('.') ? absolute.slice(0, -1) : absolute
  if (name === '' || name === 'localhost' || ADDRESS.test(name)) {
    return {
      refusal: `${where} is ${quoted(host)}: name the service there, such as "${example}", or in "${SERVICE_HEADER}: orders"`,
    }
  }
  if (/\.service\.[^.]+\.consul$/.test(name)) {
    return {
      refusal: `${where} is ${quoted(host)}: a datacenter cannot be named, only <service>${CONSUL_DOMAIN}`,
    }
  }
  return name.endsWith(CONSUL_DOMAIN) ? name.slice(0, -CONSUL_DOMAIN.length) : name
}

function misdirected(host: string, authority: Authority): NoRoute {
  return {
    refusal: `${authority.name} is ${quoted(host)}, which is no name of this sidecar, so that "${SERVICE_HEADER}" is not heeded: send ${authority === TARGET ? '"http://localhost/"' : '"Host: localhost"'}, or allow the name by --allowed-host`,
    misdirected: true,
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}
