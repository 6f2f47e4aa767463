import { isIPv4, isIPv6 } from 'node:net'

/**
 * The Host headers that are accepted where a request is not routed by Host. A browser sends the host of the page there,
 * and a page whose name has been rebound to our address (DNS rebinding) could send us any request and read the response:
 * so only names that a stranger cannot own in DNS are accepted.
 *
 * - Addresses: there is no name to rebind. Vite and webpack's server accept them for the same reason.
 * - `localhost` and all below it, RFC 6761, 6.3; all below `internal`, which ICANN has set aside for private use (2024);
 *   all below `consul`, where services are.
 * - A name without a dot, such as that of a service, a container or a machine: public domains are never so (ICANN's ban on
 *   dotless domains, 2013).
 * - Configured names: those listened on, this machine's own, services, and `--allowed-host`, which with a leading dot
 *   covers all its subdomains.
 */
export class OwnHosts {
  readonly #names: ReadonlySet<string>
  readonly #domains: readonly string[]

  constructor(configured: readonly string[]) {
    const names = configured.map((name) => name.toLowerCase())
    this.#domains = [...RESERVED_DOMAINS, ...names.filter((name) => name.startsWith('.'))]
    this.#names = new Set(names.map((name) => name.replace(/^\./, '')))
  }

  /** Is this Host header accepted? No page sends an empty one. */
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
