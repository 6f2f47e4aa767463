import type { PickContext, PickReport } from '../balance/picker.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { KeyHash } from '../hashing/key-hash.js'
import type { KeyedRequest, RequestHasher } from '../hashing/request-hasher.js'
import { isIdempotent, type Repeatable } from '../resilience/retry.js'
import { inspectEndpoint, type EndpointInspection } from './inspect.js'

/** An endpoint that was looked at, and what it was compared by. */
export interface ComparedEndpoint extends EndpointInspection {
  /** The least wins. */
  readonly load: number
  /** What the load is a figure of, such as `peakEwma`. */
  readonly measure: string
}

/** An instance that was not looked at. */
export interface SkippedInstance {
  /** Its key in Consul. */
  readonly key: string
  /** Why it could not be picked, for people, such as `unavailable (circuit_open) for another 900 ms`. */
  readonly reason: string
}

/** How a pick came to its endpoint. Plain data, safe to print as JSON. */
export interface PickExplanation {
  /** The service's name in Consul. */
  readonly service: string
  /** Undefined: there is no endpoint to be picked. */
  readonly picked: EndpointInspection | undefined
  /** The hash of the request's key, in hexadecimal digits; undefined: it has none. */
  readonly hash: string | undefined
  /** What was done, in order. */
  readonly steps: readonly string[]
  /** The endpoints whose load was compared, in that order; empty for a policy that compares none. */
  readonly compared: readonly ComparedEndpoint[]
  /** The instances that could not be picked, and those that discovery excludes, with the reason for each. */
  readonly skipped: readonly SkippedInstance[]
}

/** What the pick is to be for. */
export interface ExplainQuestion {
  readonly request: KeyedRequest & Repeatable
  readonly hasher: RequestHasher
  /** The clock's time in whole milliseconds. */
  readonly now: number
}

/** Makes one pick without a request, and tells how. */
export function explain(service: string, cluster: Cluster, question: ExplainQuestion): PickExplanation {
  const context = new ExplainedPick(question)
  const log = new PickLog(context.now)
  if (!cluster.resolved) log.step('discovery has not answered yet: a request would wait for it')
  for (const endpoint of cluster.endpoints) log.weigh(endpoint, context)
  const picked = cluster.explain(context, log)
  if (picked === undefined) {
    log.step(cluster.endpoints.length === 0 ? cluster.whyEmpty() : whyNone(cluster, context))
  }
  const { hash } = context
  return {
    service,
    picked: picked === undefined ? undefined : inspectEndpoint(picked, context.now),
    hash: hash === undefined ? undefined : hexOf(hash.high) + hexOf(hash.low),
    steps: log.steps,
    compared: log.compares,
    skipped: [...log.all, ...cluster.excluded.map(({ key, reason }) => ({ key, reason }))],
  }
}

class PickLog implements PickReport<Endpoint> {
  readonly steps: string[] = []
  readonly compares: ComparedEndpoint[] = []
  readonly all: SkippedInstance[] = []
  readonly #told = new Set<string>()
  readonly #unavailable = new Set<Endpoint>()
  readonly #now: number

  constructor(now: number) {
    this.#now = now
  }

  step(text: string): void {
    this.steps.push(text)
  }

  compared(endpoint: Endpoint, load: number, measure: string): void {
    this.compares.push({ ...inspectEndpoint(endpoint, this.#now), load, measure })
  }

  skipped(endpoint: Endpoint, reason: string): void {
    // Why it is unavailable has been told; a policy can only say that it is.
    if (!this.#unavailable.has(endpoint)) this.#tell(endpoint, reason)
  }

  /** Why an endpoint is not picked, whatever the policy. */
  weigh(endpoint: Endpoint, { idempotent }: ExplainedPick): void {
    if (endpoint.retained) {
      this.skipped(
        endpoint,
        idempotent
          ? 'retained: discovery no longer lists it'
          : 'retained: discovery no longer lists it, and it gets idempotent requests only',
      )
    } else if (!mayPick(endpoint, idempotent)) {
      this.#tell(endpoint, whyUnavailable(endpoint, this.#now))
      this.#unavailable.add(endpoint)
    } else if (endpoint.instance.weight === 0) this.skipped(endpoint, 'of weight 0, a last resort')
  }

  #tell({ instance: { key } }: Endpoint, reason: string): void {
    // A policy may meet an endpoint twice.
    const both = `${key} ${reason}`
    if (this.#told.has(both)) return
    this.#told.add(both)
    this.all.push({ key, reason })
  }
}

/** A request that is not sent. */
class ExplainedPick implements PickContext<Endpoint> {
  readonly now: number
  readonly tried: readonly Endpoint[] = []
  readonly hash: KeyHash | undefined
  readonly headers: PickContext['headers']
  readonly idempotent: boolean

  constructor({ request, hasher, now }: ExplainQuestion) {
    this.now = now
    this.headers = request.headers
    this.idempotent = isIdempotent(request)
    const hash = { high: 0, low: 0 }
    this.hash = hasher.hash(request, hash) ? hash : undefined
  }
}

/** In a panic its availability does not count. */
function mayPick({ available, panic }: Endpoint, idempotent: boolean): boolean {
  return available || (panic === 'unsafe' && !idempotent)
}

function whyUnavailable({ availability }: Endpoint, now: number): string {
  const { reason = 'unavailable', state, until } = availability
  if (state === 'probing') return `unavailable (${reason}): a request is probing it`
  return until === undefined
    ? `unavailable (${reason})`
    : `unavailable (${reason}) for another ${Math.max(0, Math.ceil(until - now))} ms`
}

function whyNone(cluster: Cluster, { idempotent }: ExplainedPick): string {
  const { endpoints } = cluster
  return !idempotent && endpoints.every(({ retained }) => retained)
    ? 'every endpoint is retained although no longer listed, and the request is not idempotent'
    : `every endpoint is unavailable: ${cluster.whyUnavailable(endpoints)}`
}

function hexOf(bits: number): string {
  return (bits >>> 0).toString(16).padStart(8, '0')
}
