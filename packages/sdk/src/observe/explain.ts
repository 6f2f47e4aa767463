import type { PickContext, PickReport } from '../balance/picker.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { KeyHash } from '../hashing/key-hash.js'
import type { KeyedRequest, RequestHasher } from '../hashing/request-hasher.js'
import { isIdempotent, type Repeatable } from '../resilience/retry.js'
import { inspectEndpoint, type EndpointInspection } from './inspect.js'

/** An endpoint that was looked at, and what it was judged by. */
export interface ComparedEndpoint extends EndpointInspection {
  /** The least wins. */
  readonly load: number
  /** What the load is a figure of, such as `peakEwma`. */
  readonly measure: string
}

/** An instance that was not looked at. */
export interface PassedOver {
  /** Its key in Consul. */
  readonly key: string
  /** Why it could not be picked, for people, such as `its circuit is open`. */
  readonly reason: string
}

/** How a pick came to its endpoint. Plain data, safe to print as JSON. */
export interface PickExplanation {
  /** The service's name in Consul. */
  readonly service: string
  /** Undefined: there is nobody to be picked. */
  readonly picked: EndpointInspection | undefined
  /** The hash of the request's key, in hexadecimal digits; undefined: it has none. */
  readonly hash: string | undefined
  /** What was done, in order. */
  readonly steps: readonly string[]
  /** The endpoints whose load was compared, in that order; empty for a policy that compares none. */
  readonly compared: readonly ComparedEndpoint[]
  /** The instances that could not be picked, and those that discovery excludes, with the reason for each. */
  readonly passedOver: readonly PassedOver[]
}

/** What the pick is to be for. */
export interface ExplainQuestion {
  readonly request: KeyedRequest & Repeatable
  readonly hasher: RequestHasher
  readonly session: string | undefined
  /** The clock's time in whole milliseconds. */
  readonly now: number
}

/** Makes one pick, for nobody, and tells how. */
export function explain(service: string, cluster: Cluster, question: ExplainQuestion): PickExplanation {
  const context = new ExplainedPick(question)
  const log = new PickLog(context.now)
  if (!cluster.resolved) log.step('discovery has not answered yet: a request would wait for it')
  for (const endpoint of cluster.endpoints) log.judge(endpoint, context)
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
    passedOver: [...log.passed, ...cluster.excluded.map(({ key, reason }) => ({ key, reason }))],
  }
}

class PickLog implements PickReport<Endpoint> {
  readonly steps: string[] = []
  readonly compares: ComparedEndpoint[] = []
  readonly passed: PassedOver[] = []
  readonly #told = new Set<string>()
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

  skipped({ instance: { key } }: Endpoint, reason: string): void {
    // A policy may meet an endpoint twice.
    const both = `${key} ${reason}`
    if (this.#told.has(both)) return
    this.#told.add(both)
    this.passed.push({ key, reason })
  }

  /** What speaks against an endpoint whatever the policy. */
  judge(endpoint: Endpoint, { idempotent }: ExplainedPick): void {
    if (endpoint.reserved) {
      this.skipped(
        endpoint,
        idempotent
          ? 'in reserve: discovery no longer lists it'
          : 'in reserve: discovery no longer lists it, and it gets idempotent requests only',
      )
    } else if (!mayPick(endpoint, idempotent)) this.skipped(endpoint, 'its circuit is open')
    else if (endpoint.instance.weight === 0) this.skipped(endpoint, 'of weight 0, a last resort')
  }
}

/** A request that nobody sends. */
class ExplainedPick implements PickContext<Endpoint> {
  readonly now: number
  readonly tried: readonly Endpoint[] = []
  readonly hash: KeyHash | undefined
  readonly session: string | undefined
  readonly idempotent: boolean

  constructor({ request, hasher, session, now }: ExplainQuestion) {
    this.now = now
    this.session = session
    this.idempotent = isIdempotent(request)
    const hash = { high: 0, low: 0 }
    this.hash = hasher.hash(request, hash) ? hash : undefined
  }
}

/** In a panic its circuit does not count. */
function mayPick({ available, panic }: Endpoint, idempotent: boolean): boolean {
  return available || (panic === 'unsafe' && !idempotent)
}

function whyNone({ endpoints }: Cluster, { idempotent }: ExplainedPick): string {
  return !idempotent && endpoints.every(({ reserved }) => reserved)
    ? 'every endpoint is in reserve, and the request is not idempotent'
    : 'every endpoint has an open circuit'
}

function hexOf(bits: number): string {
  return (bits >>> 0).toString(16).padStart(8, '0')
}
