import { isDeepStrictEqual } from 'node:util'
import { balancers } from '../balance/balancers.js'
import type { Balancer } from '../balance/picker.js'
import { balancerOf } from '../balance/server-balancer.js'
import type { HashPolicy, LoadBalancerPolicy, ServerPolicy } from '../discovery/server-policy.js'
import { pathnameOf, type RequestFields } from '../hashing/request-fields.js'
import { RequestHasher } from '../hashing/request-hasher.js'
import type { Events } from '../observe/events.js'
import type { HedgeSettings } from '../resilience/hedge-options.js'
import type { RetryRuleSettings } from '../resilience/retry-options.js'
import type { RouteSettings } from './routes-option.js'

/** What a client was told. */
export interface PolicyOptions {
  readonly service: string
  /** Undefined: the registry may choose. */
  readonly balancer: Balancer | undefined
  /** Empty: the registry may choose. */
  readonly hashOn: readonly HashPolicy[]
  readonly timeoutMs: number
  readonly connections: { readonly connectTimeoutMs: number }
  /** Which limits were given, so that the registry has no say in them. */
  readonly given: { readonly timeoutMs: boolean; readonly connectTimeoutMs: boolean }
  readonly retry: RetryRuleSettings & { readonly attemptHeader: string | undefined }
  /** Undefined: none. */
  readonly hedge: HedgeSettings | undefined
  readonly routes: readonly RouteSettings[]
}

/** What holds for a request: the options, under them what the registry prefers, under that the defaults. Frozen. */
export interface EffectivePolicy {
  /** From the call to the head of its response, in milliseconds. */
  readonly timeoutMs: number
  /** For establishing a connection, in milliseconds. */
  readonly connectTimeoutMs: number
  /** The same one for as long as the preference is the same. */
  readonly balancer: Balancer
  /** What requests are hashed by. */
  readonly hasher: RequestHasher
  /** Attempts in all, the first included. */
  readonly attempts: number
  /** Responses with these are replaced by those of another endpoint, where they may be. */
  readonly retryStatuses: ReadonlySet<number>
  /** Without a response head for so long, in milliseconds, an attempt is given up for another one. */
  readonly perTryTimeoutMs: number
  /** A response of at most so many bytes is handed on when it is whole. */
  readonly holdBytes: number
  /** When a second endpoint is asked as well; undefined: never. */
  readonly hedge: HedgeSettings | undefined
  /** Does an attempt have a time of its own? */
  readonly timed: boolean
  /** The header that tells endpoints which attempt it is. */
  readonly attemptHeader: string | undefined
  /** Whether requests that do not say it themselves may reach an endpoint twice; undefined: their method says it. */
  readonly idempotent: boolean | undefined
  /** What holds for some of the requests instead; the first that fits. */
  readonly routes: readonly Route[]
}

/** What holds for the requests that it is for. */
interface Route {
  readonly fits: RouteSettings['fits']
  readonly policy: EffectivePolicy
}

const NO_ROUTES: readonly Route[] = Object.freeze([])

/** What holds for one request. */
export function policyFor(policy: EffectivePolicy, request: RequestFields): EffectivePolicy {
  // Nearly always there are none.
  if (policy.routes.length === 0) return policy
  const pathname = pathnameOf(request)
  return policy.routes.find(({ fits }) => fits(request.method, pathname))?.policy ?? policy
}

/** What the registry's preference for a balancer comes to. */
interface Choice {
  readonly balancer: Balancer
  readonly hasher: RequestHasher
}

/** Resolves the policy of a client, once for each change of what the registry prefers. The path reads `current`. */
export class PolicyResolver {
  readonly #options: PolicyOptions
  readonly #events: Events
  #registry: ServerPolicy | undefined
  #choice: Choice
  #current: EffectivePolicy

  constructor(options: PolicyOptions, events: Events) {
    this.#options = options
    this.#events = events
    this.#choice = this.#choose(undefined)
    this.#current = this.#resolve()
  }

  get current(): EffectivePolicy {
    return this.#current
  }

  /** @param registry What the registry prefers. */
  update(registry: ServerPolicy | undefined): void {
    const before = this.#registry
    if (isDeepStrictEqual(registry, before)) return
    this.#registry = registry
    // A balancer made anew would forget where its keys lead.
    if (!isDeepStrictEqual(registry?.loadBalancer, before?.loadBalancer)) {
      this.#choice = this.#choose(registry?.loadBalancer)
    }
    this.#current = this.#resolve()
  }

  #choose(preferred: LoadBalancerPolicy | undefined): Choice {
    const { service, balancer, hashOn } = this.#options
    const served = preferred === undefined ? undefined : balancerOf(preferred)
    if (preferred !== undefined && balancer === undefined && served === undefined) {
      this.#events.publish({ type: 'discovery:unknown-policy', service, policy: preferred.policy })
    }
    return {
      balancer: balancer ?? served?.balancer ?? balancers.peak_ewma,
      hasher: new RequestHasher(hashOn.length > 0 ? hashOn : (served?.hashOn ?? [])),
    }
  }

  #resolve(): EffectivePolicy {
    const { timeoutMs, connections, given, retry, hedge, routes } = this.#options
    const registry = this.#registry
    const ofAll = {
      ...this.#choice,
      timeoutMs: (given.timeoutMs ? undefined : registry?.requestTimeoutMs) ?? timeoutMs,
      connectTimeoutMs:
        (given.connectTimeoutMs ? undefined : registry?.connectTimeoutMs) ?? connections.connectTimeoutMs,
      attemptHeader: retry.attemptHeader,
    }
    const ofRoutes = routes.map((route) => ({
      fits: route.fits,
      policy: Object.freeze({
        ...ofAll,
        timeoutMs: route.timeoutMs ?? ofAll.timeoutMs,
        ...attemptsBy(
          { ...retry, ...route.retry },
          route.hedge === undefined ? hedge : (route.hedge ?? undefined),
        ),
        idempotent: route.idempotent,
        routes: NO_ROUTES,
      }),
    }))
    return Object.freeze({
      ...ofAll,
      ...attemptsBy(retry, hedge),
      idempotent: undefined,
      routes: ofRoutes.length === 0 ? NO_ROUTES : Object.freeze(ofRoutes),
    })
  }
}

function attemptsBy(
  { attempts, statuses, perTryTimeoutMs, holdBytes }: RetryRuleSettings,
  hedge: HedgeSettings | undefined,
): Pick<EffectivePolicy, 'attempts' | 'retryStatuses' | 'perTryTimeoutMs' | 'holdBytes' | 'hedge' | 'timed'> {
  const retryStatuses: ReadonlySet<number> = new Set(attempts === 1 && hedge === undefined ? [] : statuses)
  const timed = hedge !== undefined || perTryTimeoutMs !== Infinity
  return { attempts, retryStatuses, perTryTimeoutMs, holdBytes, hedge, timed }
}
