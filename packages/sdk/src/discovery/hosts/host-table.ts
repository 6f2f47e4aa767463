import { setMaxListeners } from 'node:events'
import type { Clock, Timer } from '../../clock.js'
import { asError } from '../../errors.js'
import type { Random } from '../../random.js'
import { backoffDelay } from '../../pacing/backoff.js'
import type { HostLookup } from './host-lookup.js'
import type { Found } from './named-instances.js'

export interface HostTableOptions {
  readonly lookup: HostLookup
  readonly clock: Clock
  readonly random: Random
  /** Called whenever something that `find` returns has changed. */
  readonly onChange: () => void
}

// gRPC's DNS resolver leaves as much time between two queries, and kubeadm gives names in CoreDNS 30 s to live.
const REFRESH_MS = 30_000

// A name without any address keeps an instance out, so it is looked up sooner, but not by all clients in step.
const RETRY = { baseMs: 1000, maxMs: REFRESH_MS }

// Names that fall due within a second are looked up together: one timer, and not one a name.
const SWEEP_MS = 1000

// libuv gives getaddrinfo two of its four threads. This many keep those busy, and what else the process looks up waits
// for a handful of ours at most.
const MOST_AT_ONCE = 8

interface Host {
  addresses: readonly string[]
  /** Why the last look-up failed. */
  fault: string | undefined
  failures: number
  dueAt: number
  busy: boolean
}

/** The addresses of the host names in one set; looked up again and again, and kept when that fails. */
export class HostTable {
  readonly #options: HostTableOptions
  readonly #stop = new AbortController()
  readonly #hosts = new Map<string, Host>()
  readonly #queue: [string, Host][] = []
  #active = 0
  #unknown = 0
  #timer: { readonly at: number; readonly timer: Timer } | undefined

  constructor(options: HostTableOptions) {
    this.#options = options
    // Every look-up on its way may listen, and node warns of more than ten.
    setMaxListeners(0, this.#stop.signal)
  }

  /** Has every name been looked up, whatever came of it? */
  get settled(): boolean {
    return this.#unknown === 0
  }

  readonly find = (name: string): Found => {
    const host = this.#hosts.get(name)
    if (host !== undefined && host.addresses.length > 0) return host
    return { fault: host?.fault ?? 'is still being looked up' }
  }

  /** From now on these names are followed, and no others. */
  follow(names: ReadonlySet<string>): void {
    for (const [name, host] of this.#hosts) {
      if (names.has(name)) continue
      this.#hosts.delete(name)
      if (isUnknown(host)) this.#unknown--
    }
    for (const name of names) {
      if (this.#hosts.has(name)) continue
      this.#hosts.set(name, { addresses: [], fault: undefined, failures: 0, dueAt: 0, busy: false })
      this.#unknown++
    }
    this.#sweep()
  }

  close(): void {
    this.#stop.abort()
    this.#hosts.clear()
    this.#queue.length = 0
    this.#disarm()
  }

  /** Looks up what is due. */
  #sweep(): void {
    const now = this.#options.clock.now()
    this.#disarm()
    for (const [name, host] of this.#hosts) {
      if (host.busy) continue
      if (host.dueAt > now) {
        this.#arm(host.dueAt)
      } else {
        host.busy = true
        this.#queue.push([name, host])
      }
    }
    this.#advance()
  }

  #advance(): void {
    while (this.#active < MOST_AT_ONCE) {
      const next = this.#queue.shift()
      if (next === undefined) return
      // It may have left the set since it was queued.
      if (this.#hosts.get(next[0]) === next[1]) void this.#look(...next)
    }
  }

  async #look(name: string, host: Host): Promise<void> {
    this.#active++
    const first = isUnknown(host)
    const changed = await this.#ask(name, host)
    this.#active--
    host.busy = false
    if (this.#hosts.get(name) === host) {
      if (first) this.#unknown--
      this.#arm(host.dueAt)
      if (changed) this.#options.onChange()
    }
    this.#advance()
  }

  /** Resolves to whether `find` has something else to say. */
  async #ask(name: string, host: Host): Promise<boolean> {
    const { lookup, clock, random } = this.#options
    const before = { ...host }
    try {
      const addresses = [...new Set(await lookup(name, host.addresses, this.#stop.signal))]
      if (addresses.length === 0) throw new Error('no address')
      // An order that changes with every answer is no change.
      if (!sameSet(addresses, host.addresses)) host.addresses = Object.freeze(addresses)
      host.fault = undefined
      host.failures = 0
      // Up to a tenth sooner, or the names of a set would always fall due together.
      host.dueAt = clock.now() + REFRESH_MS * (1 - random.next() / 10)
      return host.addresses !== before.addresses
    } catch (thrown) {
      const error = asError(thrown)
      const { code } = error as { code?: unknown }
      host.fault = `does not resolve (${typeof code === 'string' ? code : error.message})`
      host.failures++
      host.dueAt = clock.now() + backoffDelay(host.failures, RETRY, random)
      return host.addresses.length === 0 && host.fault !== before.fault
    }
  }

  #arm(at: number): void {
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#disarm()
    const { clock } = this.#options
    const delayMs = Math.max(SWEEP_MS, at - clock.now())
    this.#timer = { at, timer: clock.setTimer(() => this.#sweep(), delayMs) }
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer.timer)
    this.#timer = undefined
  }
}

function isUnknown({ addresses, fault }: Host): boolean {
  return addresses.length === 0 && fault === undefined
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item))
}
