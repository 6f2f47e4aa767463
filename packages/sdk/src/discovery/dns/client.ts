import { type SrvRecord } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { isIPv4, isIPv6 } from 'node:net'
import { asError } from '../../errors.js'

export interface DnsClientOptions {
  /** IP addresses with ports, such as `127.0.0.1:8600`; undefined: those of the machine. */
  readonly servers?: readonly string[] | undefined
  /** For the first attempt at each server, in milliseconds; the next gets twice as long. */
  readonly timeoutMs: number
  /** At each server. */
  readonly tries: number
}

export interface DnsAddresses {
  /** IPv4 first; none: the name does not exist, or has no address. */
  readonly addresses: readonly string[]
  /** The least of their times to live; undefined where there is none. */
  readonly ttlMs: number | undefined
}

/** Asks DNS. That a name does not exist, or has no record of the type, is an answer; what it throws is a fault. */
export class DnsClient {
  /** For people. */
  readonly name: string
  readonly #options: DnsClientOptions

  constructor(options: DnsClientOptions) {
    this.name = options.servers === undefined ? 'DNS' : `DNS at ${options.servers.join(', ')}`
    this.#options = options
  }

  srv(name: string, signal: AbortSignal): Promise<readonly SrvRecord[]> {
    return this.#ask('SRV', name, signal, (resolver) => resolver.resolveSrv(name))
  }

  /**
   * Addresses of both families. Where one family cannot be had, its `known` ones stay: a name server that trips over
   * AAAA must not hide an IPv4 address, and one lost packet must not take an address away.
   */
  async addresses(name: string, known: readonly string[], signal: AbortSignal): Promise<DnsAddresses> {
    const [v4, v6] = await Promise.allSettled([
      this.#ask('A', name, signal, (resolver) => resolver.resolve4(name, { ttl: true })),
      this.#ask('AAAA', name, signal, (resolver) => resolver.resolve6(name, { ttl: true })),
    ])
    const records = [v4, v6].flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))
    const fault = [v4, v6].find((outcome) => outcome.status === 'rejected')
    if (records.length === 0 && fault !== undefined) throw asError(fault.reason)
    const found = records.map(({ address }) => address)
    const kept = known.filter((address) => isIn(address, v4, v6))
    return {
      addresses: [...found, ...kept].sort((a, b) => Number(isIPv6(a)) - Number(isIPv6(b))),
      ttlMs: records.length === 0 ? undefined : Math.min(...records.map(({ ttl }) => ttl)) * 1000,
    }
  }

  /** node has c-ares hand out a server's failure as it is, where the system's own resolver would ask the next one. */
  async #ask<T>(
    type: string,
    name: string,
    signal: AbortSignal,
    question: Question<T>,
  ): Promise<readonly T[]> {
    const given = this.#options.servers
    const servers = given ?? new Resolver().getServers()
    for (let first = 0; ; first++) {
      // Those of the machine are set already, and may have a form that cannot be set.
      const inTurn =
        given === undefined && first === 0 ? undefined : [...servers.slice(first), ...servers.slice(0, first)]
      try {
        return await this.#askIn(inTurn, signal, question)
      } catch (thrown) {
        const error = asError(thrown)
        const code = codeOf(error)
        if (code === 'ENOTFOUND' || code === 'ENODATA') return []
        if (isServersOwn(code) && first + 1 < servers.length) continue
        const message = `${this.name} gave no answer for ${type} ${name} (${code})${adviceFor(code)}`
        throw Object.assign(new Error(message, { cause: error }), { code })
      }
    }
  }

  async #askIn<T>(
    servers: readonly string[] | undefined,
    signal: AbortSignal,
    question: Question<T>,
  ): Promise<readonly T[]> {
    const { timeoutMs, tries } = this.#options
    // A new one each time: it knows the machine's servers as they are now, has no cache of answers, and can be cancelled
    // alone.
    const resolver = new Resolver({ timeout: timeoutMs, tries })
    if (servers !== undefined) resolver.setServers(servers)
    const cancel = (): void => resolver.cancel()
    signal.addEventListener('abort', cancel)
    try {
      return await question(resolver)
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }
}

type Question<T> = (resolver: Resolver) => Promise<readonly T[]>

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.message
}

/** Does it say something of the server that answered, and nothing of the name? */
function isServersOwn(code: string): boolean {
  return code === 'ESERVFAIL' || code === 'EREFUSED' || code === 'ENOTIMP'
}

type Outcome = PromiseSettledResult<unknown>

/** Is it an address of a family that could not be had? */
function isIn(address: string, v4: Outcome, v6: Outcome): boolean {
  return (isIPv4(address) ? v4 : v6).status === 'rejected'
}

function adviceFor(code: string): string {
  switch (code) {
    case 'ETIMEOUT':
    case 'ECONNREFUSED':
      return ': no DNS server answers at that address; check that it is up and that the address is right'
    case 'ESERVFAIL':
      return ': the server is up, but could not get an answer from the authoritative servers'
    case 'EREFUSED':
      return ': the server rejects queries for this name, or queries from this machine'
    case 'EBADNAME':
      return ': that is not a DNS name; see option name'
    default:
      return ''
  }
}
