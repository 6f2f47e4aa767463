import { isAborted, sleep, type Clock, type Timer } from '../../clock.js'
import { ConsulAgent, type AgentOptions, type AgentRequest } from '../../consul/agent.js'
import { isRejection, type ConsulError } from '../../consul/consul-error.js'
import type { Random } from '../../random.js'
import { backoffDelay } from '../../pacing/backoff.js'
import { answerTimeoutMs } from './blocking-index.js'
import { planOf, type PlanOptions } from './plan.js'
import { configQuery } from './question.js'
import { watchTarget, type WatchOptions } from './watch.js'
import { decodeChain, type DiscoveryChain } from './discovery-chain.js'
import { field, text } from '../../consul/json.js'
import { AutoResetEvent } from '../../pacing/auto-reset-event.js'
import type { Resolver, ResolverEvent } from '../resolver.js'
import { ServiceResolverWatch } from './service-resolvers.js'
import { TargetSet } from './target-set.js'
import { StartLimiter } from './start-limiter.js'
import { WatchSlots, type WatchCount } from './watch-slots.js'

export interface ConsulResolverOptions extends PlanOptions, Omit<WatchOptions, 'slots' | 'starts'> {
  readonly agent: AgentOptions
  /** Queries at once. */
  readonly maxWatches: number
  /** Honour what a `service-resolver` says. */
  readonly serverPolicy: boolean
}

const BACKOFF = { baseMs: 250, maxMs: 10_000 }

// A chain that was rejected may be had once someone gives the token its rights, or the servers Connect.
const REJECTED_PAUSE_MS = 60_000

/**
 * Follows services in Consul. What is to be watched comes first, from the options and the service's
 * `service-resolver` where it has one; then each target is followed by blocking queries, and one set made of all.
 */
export class ConsulResolver implements Resolver {
  readonly name: string
  readonly #options: ConsulResolverOptions
  readonly #agent: ConsulAgent
  readonly #watching: WatchOptions
  readonly #resolvers: ServiceResolverWatch
  readonly #clock: Clock
  readonly #random: Random
  #localDatacenter: string | undefined

  /** @param watches Those with the same agent count together. */
  constructor(
    options: ConsulResolverOptions,
    clock: Clock,
    random: Random,
    watches: WatchCount = { taken: 0 },
  ) {
    this.#agent = new ConsulAgent(options.agent, clock)
    this.name = this.#agent.name
    this.#options = options
    const slots = new WatchSlots(this.name, options.maxWatches, watches)
    const { waitMs, maxStaleMs, question } = options
    this.#watching = { waitMs, maxStaleMs, slots, starts: new StartLimiter() }
    const { consistency } = question
    this.#resolvers = new ServiceResolverWatch(this.#agent, { waitMs, consistency, slots }, clock, random)
    this.#clock = clock
    this.#random = random
  }

  async *watch(service: string, signal: AbortSignal): AsyncGenerator<ResolverEvent, void, undefined> {
    if (signal.aborted) return
    const news = new AutoResetEvent()
    const targets = new TargetSet(
      (target, end) => watchTarget(this.#agent, target, this.#watching, this.#clock, this.#random, end),
      () => news.set(),
    )
    const planning = new Planning(() => news.set())
    const stop = new AbortController()
    // At once, and not when the caller asks for the next event; or when it no longer listens.
    const leave = (): void => {
      signal.removeEventListener('abort', leave)
      stop.abort()
      targets.close()
      news.set()
    }
    signal.addEventListener('abort', leave)
    try {
      void this.#plan(service, targets, planning, stop.signal)
      while (!isAborted(signal)) {
        yield* planning.news()
        yield* targets.news()
        await news.wait()
      }
    } finally {
      leave()
    }
  }

  /** Keeps the targets to the plan. Until there is a first one, what prevents it is reported. */
  async #plan(service: string, targets: TargetSet, planning: Planning, signal: AbortSignal): Promise<void> {
    const { question, failover, serverPolicy } = this.#options
    // Only where a datacenter is named does it matter which is the agent's own.
    const named =
      question.datacenter !== undefined || failover.some(({ datacenter }) => datacenter !== undefined)
    const local = named ? await this.#askLocalDatacenter(planning, signal) : undefined
    const adopt = (chain: DiscoveryChain | undefined): void => {
      if (!isAborted(signal)) targets.adopt(planOf(service, this.#options, chain, local))
    }
    if (serverPolicy) await this.#followChain(service, adopt, planning, signal)
    else adopt(undefined)
  }

  /** Calls back with each new chain of a service, and with none when it has none. */
  async #followChain(
    service: string,
    adopt: (chain: DiscoveryChain | undefined) => void,
    planning: Planning,
    signal: AbortSignal,
  ): Promise<void> {
    const changed = new AutoResetEvent()
    const wake = (): void => changed.set()
    const unfollow = this.#resolvers.follow(wake)
    signal.addEventListener('abort', wake)
    let again: Timer | undefined
    let version = 0
    let chained: boolean | undefined
    wake()
    for (;;) {
      await changed.wait()
      if (isAborted(signal)) break
      const { known, cause } = this.#resolvers
      if (known === undefined) {
        if (cause !== undefined) planning.fail(cause)
        continue
      }
      if (known.version === version && again === undefined) continue
      version = known.version
      if (again !== undefined) this.#clock.clearTimer(again)
      again = undefined
      if (known.names.has(service)) {
        const chain = await this.#askChain(service, chained === undefined ? planning : undefined, signal)
        // One that is not to be had leaves the plan as it is.
        if (chain !== undefined || chained === undefined) adopt(chain)
        chained = true
        if (chain === undefined) again = this.#clock.setTimer(wake, REJECTED_PAUSE_MS)
      } else if (chained !== false) {
        adopt(undefined)
        chained = false
      }
    }
    if (again !== undefined) this.#clock.clearTimer(again)
    signal.removeEventListener('abort', wake)
    unfollow()
  }

  /** Undefined: there is none for us, as the agent rejects the query, or answers in a form that we do not know. */
  async #askChain(
    service: string,
    planning: Planning | undefined,
    signal: AbortSignal,
  ): Promise<DiscoveryChain | undefined> {
    const { datacenter, consistency } = this.#options.question
    const query = configQuery(consistency)
    if (datacenter !== undefined) query.set('compile-dc', datacenter)
    const body = await this.#persist(
      {
        method: 'POST',
        path: `/v1/discovery-chain/${encodeURIComponent(service)}`,
        query,
        // A chain for TCP begins with the resolver: routes and splits by request are for proxies.
        body: { OverrideProtocol: 'tcp' },
        timeoutMs: answerTimeoutMs(undefined),
      },
      planning,
      signal,
    )
    return parsed(body, decodeChain)
  }

  /** Undefined where our token may not know: a datacenter that is named is then taken for another one. */
  async #askLocalDatacenter(planning: Planning, signal: AbortSignal): Promise<string | undefined> {
    const request = { method: 'GET', path: '/v1/agent/self', timeoutMs: answerTimeoutMs(undefined) } as const
    this.#localDatacenter ??= parsed(
      await this.#persist(request, planning, signal),
      (self) => text(field(self, 'Config')['Datacenter']) || undefined,
    )
    return this.#localDatacenter
  }

  /**
   * Asks until there is an answer; undefined: it was rejected.
   *
   * @param planning Where failures are reported, as long as there is no plan without the answer.
   */
  async #persist(
    request: AgentRequest,
    planning: Planning | undefined,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    for (let failures = 1; !isAborted(signal); failures++) {
      try {
        return (await this.#agent.ask(request, signal)).text
      } catch (thrown) {
        // The agent throws nothing else.
        const error = thrown as ConsulError
        if (isRejection(error)) return undefined
        planning?.fail(error)
        const delayMs = Math.max(error.retryAfterMs, backoffDelay(failures, BACKOFF, this.#random))
        await sleep(this.#clock, delayMs, signal)
      }
    }
    return undefined
  }
}

/** Undefined where it is not what we know. */
function parsed<T>(body: string | undefined, decode: (json: unknown) => T): T | undefined {
  if (body === undefined) return undefined
  try {
    return decode(JSON.parse(body))
  } catch {
    return undefined
  }
}

/** What prevents the first plan. */
class Planning {
  readonly #onNews: () => void
  #cause: Error | undefined

  constructor(onNews: () => void) {
    this.#onNews = onNews
  }

  fail(cause: Error): void {
    this.#cause = cause
    this.#onNews()
  }

  news(): readonly ResolverEvent[] {
    const cause = this.#cause
    this.#cause = undefined
    return cause === undefined ? [] : [{ kind: 'stale', cause }]
  }
}
