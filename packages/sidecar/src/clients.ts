import {
  createClient,
  FairleadError,
  validateOptions,
  type Client,
  type ClientInspection,
  type ClientOptions,
  type Clock,
  type Logger,
  type StickyOptions,
} from '@fairlead/sdk'
import type { Config } from './config/config.js'
import { layered } from './config/layers.js'
import { stickyOf } from './config/sticky-name.js'

/** The pause after a search for an idle service without a result. It inspects every endpoint, which takes milliseconds. */
const SEARCH_PAUSE_MS = 1000

/** The SDK's clients, one per service, created by the first request to it. */
export class Clients {
  readonly #maxServices: number
  readonly #readyMin: number
  readonly #options: ClientOptions
  readonly #sticky: StickyOptions | undefined
  readonly #clients = new Map<string, Client>()
  readonly #configured: ReadonlySet<string>
  readonly #awaited = new Set<string>()
  /** Those of services with instances in Consul. */
  readonly #listed = new Set<Client>()
  readonly #clock: Clock
  #noSearchUntil = -Infinity

  /** @throws FairleadError `INVALID_OPTION` for invalid settings, `OVERLOADED` for too many services. */
  constructor(config: Config, logger: Logger, clock: Clock, exclude?: ClientOptions['exclude']) {
    this.#clock = clock
    const { consul: address, datacenter, hashOn, timeoutMs, maxServices, services } = config
    const failover = config.failover.map((elsewhere) => ({ datacenter: elsewhere }))
    this.#maxServices = maxServices
    this.#readyMin = config.readyMin
    this.#sticky = config.sticky
    this.#configured = new Set(services)
    // One watch for each service and each datacenter it may fail over to, and one for service-resolvers.
    const maxWatches = Math.min(65_535, maxServices * (1 + failover.length) + 1)
    this.#options = {
      consul: { address, datacenter, failover, maxWatches },
      balancer: layered(config.layers, config.balancer),
      panicThreshold: config.panicThreshold,
      hashOn,
      timeoutMs,
      admission: config.admission,
      idleMs: config.idleTimeoutMs,
      connections: {
        bodyTimeoutMs: config.bodyTimeoutMs,
        maxResponseHeaderBytes: config.maxResponseHeaderBytes,
      },
      exclude,
      snapshot: config.snapshotDir === undefined ? undefined : { directory: config.snapshotDir },
      logger,
    }
    const sticky = this.#sticky && stickyOf(this.#sticky, 'any')
    validateOptions({ ...this.#options, sticky })
    try {
      for (const service of services) this.#await(this.get(service))
    } catch (error) {
      // The clients created before it are watching already, and would keep the process alive.
      void this.close()
      throw error
    }
  }

  /** Configured services without an answer from discovery yet, or without `--ready-min` instances. */
  get awaited(): readonly string[] {
    return [...this.#awaited]
  }

  /** @throws FairleadError `INVALID_OPTION` for an invalid name, `OVERLOADED` for too many services. */
  get(service: string): Client {
    return this.#clients.get(service) ?? this.#create(service)
  }

  /** The client of a service that has had a request, or is configured. */
  find(service: string): Client | undefined {
    return this.#clients.get(service)
  }

  inspect(): readonly ClientInspection[] {
    return [...this.#clients.values()].map((client) => client.inspect())
  }

  /** Lets requests in flight finish. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()))
  }

  /** Aborts requests in flight. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.dispatcher.destroy()))
  }

  #create(service: string): Client {
    const maxServices = this.#maxServices
    if (this.#clients.size >= maxServices) this.#evictOne()
    if (this.#clients.size >= maxServices) {
      throw new FairleadError(
        'OVERLOADED',
        `${service} would be service ${maxServices + 1}, and --max-services is ${maxServices}: raise it, or find the client that sends invented names`,
        { service },
      )
    }
    const sticky = this.#sticky && stickyOf(this.#sticky, service)
    const options = { ...this.#options, sticky }
    const client = createClient(
      service,
      this.#configured.has(service) ? { ...options, idleMs: Infinity } : options,
    )
    client.onDiscovery(({ instances }) => {
      if (instances.length > 0) this.#listed.add(client)
      else this.#listed.delete(client)
    })
    this.#clients.set(service, client)
    return client
  }

  /** Makes room: by a service without instances in Consul, most likely a misspelt name, else by an idle one. */
  #evictOne(): void {
    const evictable = [...this.#clients.values()].filter(({ service }) => !this.#configured.has(service))
    // Those with instances are not inspected, as that takes long.
    const empty = evictable.find((client) => {
      if (this.#listed.has(client)) return false
      const { freshness, endpoints, excluded } = client.inspect()
      return (
        (freshness === 'fresh' || freshness === 'idle') && endpoints.length === 0 && excluded.length === 0
      )
    })
    const evicted = empty ?? this.#idleOf(evictable)
    if (evicted === undefined) return
    this.#clients.delete(evicted.service)
    this.#listed.delete(evicted)
    // It has had no new request for long, but may still have one in flight.
    void evicted.close({ timeoutMs: Infinity })
  }

  #idleOf(evictable: readonly Client[]): Client | undefined {
    const now = this.#clock.now()
    if (now < this.#noSearchUntil) return undefined
    const idle = evictable.find((client) => client.inspect().freshness === 'idle')
    if (idle === undefined) this.#noSearchUntil = now + SEARCH_PAUSE_MS
    return idle
  }

  #await(client: Client): void {
    this.#awaited.add(client.service)
    void client.ready({ timeoutMs: Infinity, minInstances: this.#readyMin }).then(
      () => this.#awaited.delete(client.service),
      // Closed before the first answer: never ready.
      () => undefined,
    )
  }
}
