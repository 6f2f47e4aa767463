/** Consul's own domain: a service is there under this name for everyone who asks its DNS. */
const CONSUL_DOMAIN = '.service.consul'

/** How a service is written as the origin of a URL. */
export interface ServiceOrigins {
  /** The one that paths are relative to, and that `response.url` begins with. */
  readonly base: string
  /** All that are the service's own. */
  readonly all: ReadonlySet<string>
}

/**
 * `http://<service>`, where that is a URL, and `http://<service>.service.consul`. For some names the first is not a
 * URL, as they are numbers or end with one, which the URL standard takes for an IPv4 address (`payments-1.0`, `2048`);
 * the second is one all the same. Undefined: neither is, as for `xn--a`, which is not a domain in any form.
 */
export function serviceOrigins(service: string): ServiceOrigins | undefined {
  const name = service.toLowerCase()
  const short = `http://${name}`
  const long = `http://${name}${CONSUL_DOMAIN}`
  const base = [short, long].find(isOrigin)
  return base === undefined ? undefined : { base, all: new Set([short, long]) }
}

/** Does it mean itself? A number becomes an address: `http://2048` is `http://0.0.8.0`. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text
}
