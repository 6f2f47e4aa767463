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
 * Which service a request is for: the target of a proxy request (`GET http://orders/...`), else the header
 * `fairlead-service`, else Host. `orders`, `orders:80`, `orders.service.consul` and `orders.service.consul.` are the
 * same service. Pure.
 *
 * @param hosts What Host may say beside `fairlead-service`: else any page in a browser on this machine could reach any
 *   service. Where Host is what names the service, a page's own host names none, or the page's own.
 */
export function route(
  request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
  hosts: OwnHosts,
): Route | NoRoute {
  const { url: target = '/', headers } = request
  if (target.startsWith('/')) return inOriginForm(target, headers, hosts)
  const [, host, rest] = ABSOLUTE.exec(target) ?? []
  if (host === undefined || rest === undefined)
    return { refusal: `its target is ${quoted(target)}: it must be a path or an http:// URL` }
  // RFC 9112, 3.2.4: the instance would have to get `OPTIONS *`, which is refused in that form too.
  if (rest === '' && request.method === 'OPTIONS')
    return { refusal: `OPTIONS ${quoted(target)} asks about the server as a whole: name a path, such as "/"` }
  // RFC 9112, 3.2.2: a proxy takes the host of the target and ignores the header.
  const service = serviceOf(host)
  return typeof service === 'string'
    ? { service, path: rest.startsWith('/') ? rest : `/${rest}`, host }
    : service
}

// Scheme, user, host, rest. Not a URL parser: that would rewrite dots, quotes and raw bytes of the path, and the
// path is the application's.
const ABSOLUTE = /^http:\/\/(?:[^/?#]*@)?([^/?#]*)(.*)$/is

function inOriginForm(path: string, headers: IncomingHttpHeaders, hosts: OwnHosts): Route | NoRoute {
  const named = headers[SERVICE_HEADER]
  const host = headers.host ?? ''
  if (typeof named === 'string' && named !== '') {
    // Consul takes no notice of case, and neither does Host: one service must not become two.
    const service = named.toLowerCase()
    if (!hosts.includes(host) && serviceOf(host) !== service) return misdirected(host)
    return { service, path, host: service }
  }
  const service = serviceOf(host)
  return typeof service === 'string' ? { service, path, host } : service
}

const CONSUL_DOMAIN = '.service.consul'

// Digits and dots, or anything in brackets: an address, as a client sends that does not set Host.
const ADDRESS = /^(?:[\d.]+|\[.*\])$/

function serviceOf(host: string): string | NoRoute {
  const absolute = host.replace(/:\d*$/, '').toLowerCase()
  // RFC 1034, 3.1: an absolute name ends in the dot of the root.
  const name = absolute.endsWith('.') ? absolute.slice(0, -1) : absolute
  if (name === '' || name === 'localhost' || ADDRESS.test(name)) {
    return {
      refusal: `its Host is ${quoted(host)}: name the service there, such as "Host: orders", or in "${SERVICE_HEADER}: orders"`,
    }
  }
  if (/\.service\.[^.]+\.consul$/.test(name)) {
    return {
      refusal: `its Host is ${quoted(host)}: a datacenter cannot be named, only <service>${CONSUL_DOMAIN}`,
    }
  }
  return name.endsWith(CONSUL_DOMAIN) ? name.slice(0, -CONSUL_DOMAIN.length) : name
}

function misdirected(host: string): NoRoute {
  return {
    refusal: `its Host is ${quoted(host)}, which is no name of this sidecar, so that "${SERVICE_HEADER}" is not heeded: send "Host: localhost", or allow the name by --allowed-host`,
    misdirected: true,
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}
