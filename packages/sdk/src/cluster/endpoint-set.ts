import { errors } from 'undici'
import { inBackground, type Clock } from '../clock.js'
import { placeOf } from '../discovery/place.js'
import type { Instance } from '../discovery/resolver.js'
import type { Endpoint, RetainedObserver } from '../endpoint/endpoint.js'
import { reconcile, type Plan } from './reconcile.js'

/**
 * Makes the endpoint of a new instance.
 *
 * @param seedMs What its peers' latency is, in milliseconds.
 * @param usableSince Since when it has been in use, in whole milliseconds of the clock.
 */
export type EndpointFactory = (instance: Instance, seedMs: number, usableSince: number) => Endpoint

/** Looks after the endpoints of a cluster beside their traffic and while it is in use, as active health checks do. */
export interface EndpointKeeper {
  add(endpoint: Endpoint): void
  /** It has left. */
  remove(endpoint: Endpoint): void
  /** The cluster is in use; more than once. */
  start(): void
  /** It is idle or closed. */
  stop(): void
}

export interface EndpointSetOptions {
  readonly createEndpoint: EndpointFactory
  /** Hears of the endpoints as they come and go. Default: nothing does. */
  readonly keeper?: EndpointKeeper | undefined
  /** Connections to open to a new endpoint before requests come. Default 0. */
  readonly preconnect?: number
  /** How long an endpoint that has left may take to finish its requests, in milliseconds. Default: as long as they take. */
  readonly drainMs?: number
  readonly service: string
  readonly clock: Clock
}

/** The endpoints as they will be. Those that stay know nothing of it before it is adopted. */
export interface NextEndpoints {
  /** By place, in the order of `instances`. */
  readonly endpoints: Map<string, Endpoint>
  /** What is known of each. */
  readonly instances: readonly Instance[]
  /** By place, what is retained; and who hears of those. */
  readonly retained: ReadonlyMap<string, Instance>
  readonly observer: RetainedObserver
  readonly added: readonly Instance[]
  readonly removed: readonly Endpoint[]
  /** Is another one retained, or one no more? */
  readonly retainedChanged: boolean
}

/** What a new endpoint is taken for where no peer has been measured: Linkerd's default_rtt, 30 ms. */
const SEED_MS = 30

// Those that are there when we come have been for as long as we can tell: 12 days before the clock's beginning, and a
// number that V8 keeps in the object.
const LONG_SINCE = -(2 ** 30)

/** The endpoints of one service, and those that have left it with requests in flight. */
export class EndpointSet {
  readonly #options: EndpointSetOptions
  /** What only waits for others' requests keeps no process alive. */
  readonly #background: Clock
  #endpoints = new Map<string, Endpoint>()
  /** Has there been a set before? */
  #begun = false
  /** Those that have left, and the end of their requests. */
  readonly #retiring = new Map<Endpoint, Promise<void>>()

  constructor(options: EndpointSetOptions) {
    this.#options = options
    this.#background = inBackground(options.clock)
  }

  get all(): readonly Endpoint[] {
    return [...this.#endpoints.values()]
  }

  get size(): number {
    return this.#endpoints.size
  }

  /** Compares with what there has to be. */
  plan(instances: readonly Instance[], retained: ReadonlyMap<string, Instance>): Plan<Endpoint> {
    return reconcile(this.#endpoints, retained.size === 0 ? instances : [...instances, ...retained.values()])
  }

  /**
   * Makes the endpoints that are new.
   *
   * @param observer Hears of those in `retained`.
   */
  prepare(
    plan: Plan<Endpoint>,
    retained: ReadonlyMap<string, Instance>,
    observer: RetainedObserver,
  ): NextEndpoints {
    const { createEndpoint, clock } = this.#options
    const now = Math.floor(clock.now())
    const newSince = this.#begun ? now : LONG_SINCE
    const seedMs = plan.added.length === 0 ? SEED_MS : this.#typicalLatency()
    const { instances, added, removed, inPlace } = plan
    const endpoints = inPlace ? this.#endpoints : new Map<string, Endpoint>()
    let retainedChanged = false
    for (const [index, instance] of instances.entries()) {
      const place = placeOf(instance)
      const endpoint = plan.kept[index] ?? createEndpoint(instance, seedMs, newSince)
      const its = retained.size > 0 && retained.has(place) ? observer : undefined
      retainedChanged ||= endpoint.observer !== its
      if (!inPlace) endpoints.set(place, endpoint)
    }
    return { endpoints, instances, retained, observer, added, removed, retainedChanged }
  }

  /**
   * Makes them the endpoints, and tells each what is known of it now.
   * Must be followed by `retire`, when no pick can meet those any longer that have been removed.
   */
  adopt({ endpoints, instances, retained, observer }: NextEndpoints): void {
    const { clock, preconnect = 0, keeper } = this.#options
    const greeted = preconnect > 0 || keeper !== undefined
    const now = Math.floor(clock.now())
    const before = this.#endpoints
    let index = 0
    for (const [place, endpoint] of endpoints) {
      const instance = instances[index++]
      if (instance !== undefined) endpoint.instance = instance
      const its = retained.size > 0 && retained.has(place) ? observer : undefined
      if (endpoint.retained && its === undefined) endpoint.usableSince = now
      endpoint.observer = its
      if (!greeted || before.get(place) === endpoint) continue
      if (preconnect > 0) endpoint.preconnect(preconnect)
      keeper?.add(endpoint)
    }
    this.#endpoints = endpoints
    this.#begun = true
  }

  /** Lets requests in flight finish within the drain deadline, then closes all connections. */
  retire({ removed }: NextEndpoints): void {
    for (const endpoint of removed) {
      endpoint.observer = undefined
      this.#options.keeper?.remove(endpoint)
      const closed = endpoint.close()
      if (closed !== undefined) this.#retiring.set(endpoint, this.#drain(endpoint, closed))
    }
  }

  async #drain(endpoint: Endpoint, closed: Promise<void>): Promise<void> {
    const { drainMs = Infinity, clock, service } = this.#options
    const timer =
      drainMs === Infinity
        ? undefined
        : this.#background.setTimer(
            () => void endpoint.destroy(notDrained(service, endpoint, drainMs)),
            drainMs,
          )
    try {
      await closed
    } finally {
      if (timer !== undefined) clock.clearTimer(timer)
      this.#retiring.delete(endpoint)
    }
  }

  /** Lets the requests of all finish, then closes their connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#retiring.values(), ...this.all.map((endpoint) => endpoint.close())])
  }

  /** Aborts all requests with `error`. */
  async destroy(error: Error): Promise<void> {
    const endpoints = [...this.all, ...this.#retiring.keys()]
    await Promise.all(endpoints.map((endpoint) => endpoint.destroy(error)))
  }

  #typicalLatency(): number {
    const now = this.#options.clock.now()
    let measured = 0
    let sumUs = 0
    for (const endpoint of this.#endpoints.values()) {
      if (endpoint.requests === 0) continue
      measured++
      sumUs += endpoint.estimateUs(now)
    }
    return measured === 0 ? SEED_MS : sumUs / measured / 1000
  }
}

/** To its request it is a connection that was lost: another endpoint is tried where that may be. */
function notDrained(service: string, { address }: Endpoint, drainMs: number): Error {
  return new errors.SocketError(
    `${service} at ${address} is no longer listed, and its requests were still in flight after ${drainMs} ms (option connections.drainMs)`,
  )
}
