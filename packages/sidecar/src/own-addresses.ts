import { hostname, networkInterfaces } from 'node:os'
import { isIP } from 'node:net'
import type { Instance } from '@fairlead/sdk'
import type { Listen } from './config.js'

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** Where this sidecar listens, for the question whether an instance is the sidecar itself. */
export class OwnAddresses {
  readonly #listens: Listen[] = []

  add(listen: Listen): void {
    this.#listens.push(listen)
  }

  /** Why an instance must not be sent anything: it is this sidecar. */
  readonly exclude = ({ origin, addresses }: Pick<Instance, 'origin' | 'addresses'>): string | undefined => {
    const { hostname: bracketed, port, protocol } = new URL(origin)
    const digits = Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port)
    const listens = this.#listens.filter((listen) => listen.port === digits)
    if (listens.length === 0) return undefined
    const host = bracketed.replace(/^\[|\]$/g, '')
    const own = [host, ...(addresses ?? [])].some((address) =>
      listens.some((listen) => leadsTo(address, listen)),
    )
    return own ? 'its address is the one that this sidecar listens on' : undefined
  }
}

function leadsTo(name: string, { host }: Listen): boolean {
  const address = plain(name)
  // A connection to a wildcard goes to this machine.
  const loopback = WILDCARDS.has(address) || address === 'localhost'
  if (WILDCARDS.has(host)) return loopback || isLocal(address)
  if (address === plain(host)) return true
  if (loopback) return isLoopback(plain(host)) || host === 'localhost'
  return host === 'localhost' && isLoopback(address)
}

/** Is it an address of this machine? Interfaces come and go, so they are asked for each time. */
function isLocal(address: string): boolean {
  if (isLoopback(address) || address === hostname().toLowerCase()) return true
  return Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === address))
}

function isLoopback(address: string): boolean {
  // RFC 1122, 3.2.1.3: all of 127.0.0.0/8.
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}

/** Without case, and an IPv4 address as such (RFC 4291, 2.5.5.2). */
function plain(address: string): string {
  const lower = address.toLowerCase()
  const [, high = '', low = ''] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(lower) ?? []
  if (high === '') return lower.replace(/^::ffff:(?=[\d.]+$)/, '')
  const [first, second] = [parseInt(high, 16), parseInt(low, 16)]
  return [first >> 8, first & 255, second >> 8, second & 255].join('.')
}
