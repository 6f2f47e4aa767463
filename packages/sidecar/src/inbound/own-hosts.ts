import { isIPv4, isIPv6 } from 'node:net'

/**
 * What a Host header may say where it is not what a request is routed by. A browser sends the name of the page's own
 * host there, and a page whose name has been bound anew to our address (DNS rebinding) may send us any request and read
 * the response: so a name has to be one that no stranger can hold in DNS.
 *
 * - Addresses: there is no name to bind anew. Vite and webpack's server take them for the same reason.
 * - `localhost` and all below it, RFC 6761, 6.3; all below `internal`, which ICANN has set aside for private use (2024);
 *   all below `consul`, where services are.
 * - A name without a dot, such as that of a service, a container or a machine: no public domain is one (ICANN's ban on
 *   dotless domains, 2013).
 * - What is configured: names listened on, this machine's own, services, and `--allowed-host`, which with a dot in front
 *   is all below it as well.
 */
export class OwnHosts {
  readonly #names: ReadonlySet<string>
  readonly #domains: readonly string[]

  constructor(configured: readonly string[]) {
    const names = configured.map((name) => name.toLowerCase())
    this.#domains = [...RESERVED_DOMAINS, ...names.filter((name) => name.startsWith('.'))]
    this.#names = new Set(names.map((name) => name.replace(/^\./, '')))
  }

  /** Is this value of a Host header one of ours? One that is empty is of no page. */
  includes(host: string): boolean {
    const [, address, name = ''] = HOST.exec(host) ?? []
    if (address !== undefined) return isIPv6(address)
    const lower = name.toLowerCase()
    return (
      !lower.includes('.') ||
      isIPv4(lower) ||
      this.#names.has(lower) ||
      this.#domains.some((domain) => lower.endsWith(domain))
    )
  }
}

const RESERVED_DOMAINS = ['.localhost', '.internal', '.consul'] as const

// An IPv6 address in brackets, or a name without the dot of its root; a port, which may be empty. RFC 9110, 7.2.
const HOST = /^(?:\[([^\]]*)\]|(.*?)\.?)(?::\d*)?$/s
