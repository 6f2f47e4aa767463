import { hostname, networkInterfaces } from 'node:os'
import { isIP } from 'node:net'
import type { Clock, Instance } from '@fairlead/sdk'
import type { Listen } from './listen.js'

/** Interfaces change. Listing them takes 0.1 ms and more, and a snapshot may have thousands of instances. */
const LOCAL_MS = 1000

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** The addresses this sidecar listens on, to exclude instances that are the sidecar itself. */
export class OwnAddresses {
  readonly #listens: Listen[] = []
  readonly #clock: Clock
  readonly #addressesOf: () => Iterable<string>
  #local: ReadonlySet<string> = new Set()
  #localUntil = -Infinity

  /** @param addressesOf The addresses of this machine, now. */
  constructor(clock: Clock, addressesOf: () => Iterable<string> = addressesOfInterfaces) {
    this.#clock = clock
    this.#addressesOf = addressesOf
  }

  add(listen: Listen): void {
    this.#listens.push(listen)
  }

  /** Why an instance is excluded: it is this sidecar. */
  readonly exclude = ({ origin, addresses }: Pick<Instance, 'origin' | 'addresses'>): string | undefined => {
    const { hostname: bracketed, port, protocol } = new URL(origin)
    const digits = Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port)
    const listens = this.#listens.filter((listen) => listen.port === digits)
    if (listens.length === 0) return undefined
    const host = bracketed.replace(/^\[|\]$/g, '')
    const own = [host, ...(addresses ?? [])].some((address) =>
      listens.some((listen) => leadsTo(address, listen, this.#isLocal)),
    )
    return own ? 'its address is the one that this sidecar listens on' : undefined
  }

  /** Is it an address of this machine? */
  readonly #isLocal = (address: string): boolean => {
    if (isLoopback(address)) return true
    const now = this.#clock.now()
    if (now >= this.#localUntil) {
      this.#local = new Set([...this.#addressesOf(), hostname()].map((name) => name.toLowerCase()))
      this.#localUntil = now + LOCAL_MS
    }
    return this.#local.has(address)
  }
}

function leadsTo(name: string, { host }: Listen, isLocal: (address: string) => boolean): boolean {
  const address = plain(name)
  // A connection to a wildcard goes to this machine.
  const loopback = WILDCARDS.has(address) || address === 'localhost'
  if (WILDCARDS.has(host)) return loopback || isLocal(address)
  if (address === plain(host)) return true
  if (loopback) return isLoopback(plain(host)) || host === 'localhost'
  return host === 'localhost' && isLoopback(address)
}

function addressesOfInterfaces(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? [])
}

function isLoopback(address: string): boolean {
  // RFC 1122, 3.2.1.3: all of 127.0.0.0/8.
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}

/** In lower case, and an IPv4-mapped address as IPv4 (RFC 4291, 2.5.5.2). */
function plain(address: string): string {
  const lower = address.toLowerCase()
  const [, high = '', low = ''] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(lower) ?? []
  if (high === '') return lower.replace(/^::ffff:(?=[\d.]+$)/, '')
  const [first, second] = [parseInt(high, 16), parseInt(low, 16)]
  return [first >> 8, first & 255, second >> 8, second & 255].join('.')
}
