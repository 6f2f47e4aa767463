import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../clock.js'
import { asJson, field, list } from '../consul/json.js'
import { BlockedQueries } from './blocked-queries.js'
import { isStreamed, type FakeBackend } from './fake-backend.js'
import { noPathToDatacenter, refuse, respond, type FakeConsulStep } from './fake-consul-steps.js'

/** Where a service is, other than with the agent itself. */
export interface FakePlace {
  /** Default: the agent's own, `dc1`. */
  readonly datacenter?: string
  /** The name of a cluster peering. Default: none, the service is in this cluster. */
  readonly peer?: string
}

/** The instances of a service, or what becomes of every query for them. */
export type FakeHealth = readonly object[] | FakeConsulStep

interface Listed {
  readonly health: FakeHealth
  readonly index: number
}

/** The agent's own datacenter. */
export const LOCAL_DATACENTER = 'dc1'

/** The health of services, each under an index of its own, as Consul keeps it. */
export class FakeCatalog {
  readonly #services = new Map<string, Listed>()
  readonly #datacenters = new Set([LOCAL_DATACENTER])
  readonly #cached = new Set<string>()
  readonly #queries: BlockedQueries
  readonly #backend: FakeBackend
  #headers: Readonly<Record<string, string>> = {}
  #index = 1

  constructor(clock: Clock, backend: FakeBackend) {
    this.#queries = new BlockedQueries(clock)
    this.#backend = backend
  }

  /** That of the last change. */
  get index(): number {
    return this.#index
  }

  set(service: string, health: FakeHealth, { datacenter, peer }: FakePlace): void {
    if (datacenter !== undefined) this.#datacenters.add(datacenter)
    this.#index++
    this.#services.set(keyOf(service, datacenter, peer), { health, index: this.#index })
    this.#queries.wake()
  }

  /** What every answer says of itself besides. */
  say(headers: Readonly<Record<string, string>>): void {
    this.#headers = headers
  }

  wipe(): void {
    this.#services.clear()
    this.#cached.clear()
    this.#index = 1
  }

  answer(service: string, query: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
    const rejection = this.#rejectionOf(query)
    if (rejection !== undefined) {
      rejection(request, response)
      return
    }
    const key = keyOf(service, query.get('dc') ?? undefined, query.get('peer') ?? undefined)
    // A service that is not there stands under the index of the whole catalogue, and never under 0; in a stream, under
    // that of its own beginning.
    const unlisted = isStreamed(this.#backend, query) ? 1 : undefined
    const listed = (): Listed => this.#services.get(key) ?? { health: [], index: unlisted ?? this.#index }
    this.#queries.add(
      query,
      response,
      () => listed().index,
      () => {
        const { health, index } = listed()
        const headers = { ...this.#headersFor(key, query), ...this.#headers }
        if (typeof health === 'function') health(request, response)
        else respond(response, index, health.filter(matching(query)).map(this.#written), headers)
      },
    )
  }

  /** What Consul does not read. */
  #rejectionOf(query: URLSearchParams): FakeConsulStep | undefined {
    if (!/^\d*$/.test(query.get('index') ?? '')) return refuse(400, 'Invalid index')
    if (!/^(?:[\d.]+[a-zµ]+)*$/.test(query.get('wait') ?? '')) return refuse(400, 'Invalid wait time')
    for (const other of ['cached', 'stale'])
      if (query.has('consistent') && query.has(other))
        return refuse(400, `Cannot specify ?${other} with ?consistent, conflicting semantics.`)
    return this.#datacenters.has(query.get('dc') ?? LOCAL_DATACENTER) ? undefined : noPathToDatacenter()
  }

  readonly #written = (entry: object): object => {
    const service = field(entry, 'Service')
    if (this.#backend === 'blocking-query' || service['Port'] !== 0) return entry
    return { ...entry, Service: { ...service, Port: undefined } }
  }

  #headersFor(key: string, query: URLSearchParams): Readonly<Record<string, string>> {
    const consistency = ['stale', 'consistent'].find((mode) => query.has(mode)) ?? 'leader'
    const isHit = query.has('cached') && this.#cached.has(key)
    if (query.has('cached')) this.#cached.add(key)
    return {
      'x-consul-knownleader': 'true',
      'x-consul-lastcontact': '0',
      'x-consul-effective-consistency': consistency,
      ...(query.has('cached') ? { 'x-cache': isHit ? 'HIT' : 'MISS' } : {}),
      ...(isHit ? { age: '0' } : {}),
    }
  }
}

function keyOf(service: string, datacenter: string | undefined, peer: string | undefined): string {
  return JSON.stringify([service, datacenter ?? LOCAL_DATACENTER, peer])
}

/** `tag`, all of which must be there, and `passing`; expressions of `filter` are not understood. */
function matching(query: URLSearchParams): (entry: object) => boolean {
  const wanted = query.getAll('tag')
  return (entry) => {
    const tags = list(field(entry, 'Service')['Tags'])
    const isPassing = list(asJson(entry)['Checks']).every((check) => asJson(check)['Status'] === 'passing')
    return wanted.every((tag) => tags.includes(tag)) && (isPassing || !query.has('passing'))
  }
}
