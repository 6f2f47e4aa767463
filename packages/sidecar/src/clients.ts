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

/** After a search for an idle service that found none. It looks at every endpoint of all of them: milliseconds. */
const SEARCH_MS = 1000

/** The SDK's clients, one per service, made when a service is first asked for. */
export class Clients {
  readonly #maxServices: number
  readonly #readyMin: number
  readonly #options: ClientOptions
  readonly #sticky: StickyOptions | undefined
  readonly #clients = new Map<string, Client>()
  readonly #configured: ReadonlySet<string>
  readonly #awaited = new Set<string>()
  /** Those that Consul lists instances of. */
  readonly #listed = new Set<Client>()
  readonly #clock: Clock
  #noSearchUntil = -Infinity

  /** @throws FairleadError `INVALID_OPTION` for what no client could be made of, `OVERLOADED` for too many. */
  constructor(config: Config, logger: Logger, clock: Clock, exclude?: ClientOptions['exclude']) {
    this.#clock = clock
    const { consul: address, datacenter, hashOn, timeoutMs, maxServices, services } = config
    const failover = config.failover.map((elsewhere) => ({ datacenter: elsewhere }))
    this.#maxServices = maxServices
    this.#readyMin = config.readyMin
    this.#sticky = config.sticky
    this.#configured = new Set(services)
    // A watch for each service and each place it may fail over to, and the one for service-resolvers.
    const maxWatches = Math.min(65_535, maxServices * (1 + failover.length) + 1)
    this.#options = {
      consul: { address, datacenter, failover, maxWatches },
      balancer: layered(config.layers, config.balancer),
      panicThreshold: config.panicThreshold,
      hashOn,
      timeoutMs,
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
      // Those made before it watch already, and would keep the process alive.
      void this.close()
      throw error
    }
  }

  /** Services of the configuration that discovery has not answered for yet, or without `--ready-min` instances so far. */
  get awaited(): readonly string[] {
    return [...this.#awaited]
  }

  /** @throws FairleadError `INVALID_OPTION` for a name that is none, `OVERLOADED` when there are too many. */
  get(service: string): Client {
    return this.#clients.get(service) ?? this.#create(service)
  }

  /** The client of a service that has been asked for before. */
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

  /** Breaks off requests in flight. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.dispatcher.destroy()))
  }

  #create(service: string): Client {
    const maxServices = this.#maxServices
    if (this.#clients.size >= maxServices) this.#forgetOne()
    if (this.#clients.size >= maxServices) {
      throw new FairleadError(
        'OVERLOADED',
        `${service} would be service ${maxServices + 1}, and --max-services is ${maxServices}: raise it, or look for a client that makes up names`,
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

  /** Makes room: a service that Consul knows no instance of was most likely a misspelt name; else one that is idle. */
  #forgetOne(): void {
    const spare = [...this.#clients.values()].filter(({ service }) => !this.#configured.has(service))
    // One with instances is not asked, as that is no small matter.
    const none = spare.find((client) => {
      if (this.#listed.has(client)) return false
      const { freshness, endpoints, excluded } = client.inspect()
      return (
        (freshness === 'fresh' || freshness === 'idle') && endpoints.length === 0 && excluded.length === 0
      )
    })
    const forgotten = none ?? this.#idleOf(spare)
    if (forgotten === undefined) return
    this.#clients.delete(forgotten.service)
    this.#listed.delete(forgotten)
    // It has had no new request for long, and may be in the middle of one that takes as long.
    void forgotten.close({ timeoutMs: Infinity })
  }

  #idleOf(spare: readonly Client[]): Client | undefined {
    const now = this.#clock.now()
    if (now < this.#noSearchUntil) return undefined
    const idle = spare.find((client) => client.inspect().freshness === 'idle')
    if (idle === undefined) this.#noSearchUntil = now + SEARCH_MS
    return idle
  }

  #await(client: Client): void {
    this.#awaited.add(client.service)
    void client.ready({ timeoutMs: Infinity, minInstances: this.#readyMin }).then(
      () => this.#awaited.delete(client.service),
      // Closed before the first answer: it is not ready, and never will be.
      () => undefined,
    )
  }
}
