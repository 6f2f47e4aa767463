import { isAborted, sleep, type Clock } from '../clock.js'
import { ConsulAgent, type AgentOptions } from '../consul/agent.js'
import { ConsulError } from '../consul/consul-error.js'
import { asError } from '../errors.js'
import type { Random } from '../random.js'
import { backoffDelay } from './backoff.js'
import { planOf, type PlanOptions } from './consul-plan.js'
import { watchTarget, type WatchOptions } from './consul-watch.js'
import { decodeChain, type DiscoveryChain } from './discovery-chain.js'
import { field, text } from './json.js'
import { Latch } from './latch.js'
import type { Resolver, ResolverEvent } from './resolver.js'
import { isPassing, ServiceResolverWatch } from './service-resolvers.js'
import { TargetSet } from './target-set.js'
import { Turnstile } from './turnstile.js'
import { WatchSlots } from './watch-slots.js'

export interface ConsulResolverOptions extends PlanOptions, Omit<WatchOptions, 'slots' | 'turnstile'> {
  readonly agent: AgentOptions
  /** Queries at once. */
  readonly maxWatches: number
  /** Honour what a `service-resolver` says. */
  readonly serverPolicy: boolean
}

const ANSWER_TIMEOUT_MS = 10_000
const BACKOFF = { baseMs: 250, maxMs: 10_000 }

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
  #localDatacenter: Promise<string | undefined> | undefined

  constructor(options: ConsulResolverOptions, clock: Clock, random: Random) {
    this.#agent = new ConsulAgent(options.agent, clock)
    this.name = this.#agent.name
    this.#options = options
    const slots = new WatchSlots(this.name, options.maxWatches)
    this.#watching = {
      waitMs: options.waitMs,
      maxStaleMs: options.maxStaleMs,
      slots,
      turnstile: new Turnstile(),
    }
    this.#resolvers = new ServiceResolverWatch(this.#agent, options.waitMs, slots, clock, random)
    this.#clock = clock
    this.#random = random
  }

  async *watch(service: string, signal: AbortSignal): AsyncGenerator<ResolverEvent, void, undefined> {
    const news = new Latch()
    const targets = new TargetSet(
      (target, stop) => watchTarget(this.#agent, target, this.#watching, this.#clock, this.#random, stop),
      () => news.open(),
    )
    const planning = new Planning(() => news.open())
    const wake = (): void => news.open()
    signal.addEventListener('abort', wake)
    try {
      void this.#plan(service, targets, planning, signal)
      while (!isAborted(signal)) {
        yield* planning.news()
        yield* targets.news()
        await news.passed()
      }
    } finally {
      signal.removeEventListener('abort', wake)
      targets.close()
    }
  }

  /** Keeps the targets to the plan. Until there is a first one, what stands in its way is told. */
  async #plan(service: string, targets: TargetSet, planning: Planning, signal: AbortSignal): Promise<void> {
    const { question, failover, serverPolicy } = this.#options
    // Only where a datacenter is named does it matter which is the agent's own.
    const named =
      question.datacenter !== undefined || failover.some(({ datacenter }) => datacenter !== undefined)
    const local = named ? await this.#askLocalDatacenter(signal) : undefined
    const adopt = (chain: DiscoveryChain | undefined): void => {
      if (!isAborted(signal)) targets.adopt(planOf(service, this.#options, chain, local))
    }
    if (!serverPolicy) {
      adopt(undefined)
      return
    }
    const changed = new Latch()
    const unfollow = this.#resolvers.follow(() => changed.open())
    const leave = (): void => changed.open()
    signal.addEventListener('abort', leave)
    let version = 0
    let chained: boolean | undefined
    changed.open()
    for (;;) {
      await changed.passed()
      if (isAborted(signal)) break
      const { known, cause } = this.#resolvers
      if (known === undefined) {
        if (cause !== undefined) planning.fail(cause)
        continue
      }
      if (known.version === version) continue
      version = known.version
      if (known.names.has(service)) {
        const chain = await this.#askChain(service, planning, chained === undefined, signal)
        // One that is not to be had leaves the plan as it is.
        if (chain !== undefined || chained === undefined) adopt(chain)
        chained = true
      } else if (chained !== false) {
        adopt(undefined)
        chained = false
      }
    }
    signal.removeEventListener('abort', leave)
    unfollow()
  }

  /** Asks until there is an answer. @param first Nothing is known yet, so that whoever waits is told what fails. */
  async #askChain(
    service: string,
    planning: Planning,
    first: boolean,
    signal: AbortSignal,
  ): Promise<DiscoveryChain | undefined> {
    const { datacenter } = this.#options.question
    const query = new URLSearchParams(datacenter === undefined ? {} : { 'compile-dc': datacenter })
    for (let failures = 1; !isAborted(signal); failures++) {
      try {
        const { text: body } = await this.#agent.ask(
          {
            method: 'POST',
            path: `/v1/discovery-chain/${encodeURIComponent(service)}`,
            query,
            // A chain for TCP begins with the resolver: routes and splits by request are for proxies.
            body: { OverrideProtocol: 'tcp' },
            timeoutMs: ANSWER_TIMEOUT_MS,
          },
          signal,
        )
        return decodeChain(JSON.parse(body))
      } catch (error) {
        // It cannot be asked for here (no Connect, no permission), or is not what we know: there is none for us.
        if (!(error instanceof ConsulError)) return undefined
        if (error.statusCode !== undefined && !isPassing(error)) return undefined
        if (first) planning.fail(error)
        const delayMs = Math.max(error.retryAfterMs, backoffDelay(failures, BACKOFF, this.#random))
        await sleep(this.#clock, delayMs, signal)
      }
    }
    return undefined
  }

  /** Undefined where our token may not know: a datacenter that is named is then taken for another one. */
  #askLocalDatacenter(signal: AbortSignal): Promise<string | undefined> {
    this.#localDatacenter ??= this.#agent
      .ask({ method: 'GET', path: '/v1/agent/self', timeoutMs: ANSWER_TIMEOUT_MS }, signal)
      .then(({ text: body }) => text(field(JSON.parse(body), 'Config')['Datacenter']) || undefined)
      .catch((error: unknown) => {
        const { statusCode } = error as Partial<ConsulError>
        // Not reached: it is worth asking the next time.
        if (statusCode === undefined) this.#localDatacenter = undefined
        return undefined
      })
    return this.#localDatacenter
  }
}

/** What stands in the way of the first plan, for whoever waits for it. */
class Planning {
  readonly #onNews: () => void
  #cause: Error | undefined

  constructor(onNews: () => void) {
    this.#onNews = onNews
  }

  fail(cause: Error): void {
    this.#cause = asError(cause)
    this.#onNews()
  }

  news(): readonly ResolverEvent[] {
    const cause = this.#cause
    this.#cause = undefined
    return cause === undefined ? [] : [{ kind: 'stale', cause }]
  }
}
