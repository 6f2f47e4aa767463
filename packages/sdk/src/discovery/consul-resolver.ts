import { isAborted, sleep, type Clock } from '../clock.js'
import { asError } from '../errors.js'
import type { Random } from '../random.js'
import { backoffDelay } from './backoff.js'
import { ConsulAgent, ConsulError, type ConsulAgentOptions } from './consul-agent.js'
import { decodeHealth, sameHealth, type HealthSnapshot } from './consul-health.js'
import type { Resolver, ResolverEvent } from './resolver.js'
import { TokenBucket } from './token-bucket.js'

export interface ConsulResolverOptions extends ConsulAgentOptions {
  /** How long the agent may hold a query open, in milliseconds. */
  readonly waitMs: number
}

// Whatever the agent does (answer at once, churn its index), one watch asks five times and then four a second.
const QUERY_RATE = { capacity: 5, perSecond: 4 }

// A restarted agent is back in seconds, so the first retries are quick; 10 s bounds how late its return is seen.
const BACKOFF = { baseMs: 250, maxMs: 10_000 }

// For an answer that does not block, and for the network on top of one that does.
const ANSWER_TIMEOUT_MS = 10_000

// A server that has just been elected reads the rest of its log within milliseconds; this is far beyond.
const CONFIRM_MS = 1000

/**
 * Follows services by blocking queries on `/v1/health/service/<name>`.
 * Source: Consul's documentation, features/blocking; the rules are cited where they are kept.
 */
export class ConsulResolver implements Resolver {
  readonly name: string
  readonly #agent: ConsulAgent
  readonly #waitMs: number
  readonly #clock: Clock
  readonly #random: Random

  constructor(options: ConsulResolverOptions, clock: Clock, random: Random) {
    this.#agent = new ConsulAgent(options)
    this.name = this.#agent.name
    this.#waitMs = options.waitMs
    this.#clock = clock
    this.#random = random
  }

  async *watch(service: string, signal: AbortSignal): AsyncGenerator<ResolverEvent, void, undefined> {
    const bucket = new TokenBucket(QUERY_RATE, this.#clock)
    let index = 0
    let failures = 0
    let last: HealthSnapshot | undefined
    let newest = 0
    let doubted = false
    for (;;) {
      await bucket.take(signal)
      if (isAborted(signal)) return
      try {
        const answer = await this.#ask(service, index, signal)
        index = nextIndex(index, answer.index)
        doubted = !doubted && last !== undefined && (answer.index ?? 0) < newest
        if (doubted) {
          // A server that has just come back may lead before it has read its log to the end: for moments it gives
          // the state of long ago, an empty list among them, as the truth. What is older than what we know has to
          // be said twice; where data is really lost, that comes through a second later.
          index = 0
          await sleep(this.#clock, CONFIRM_MS, signal)
          continue
        }
        newest = answer.index ?? 0
        // "Return is no guarantee of change": equal answers cause no event, unless they end an outage.
        const news = failures > 0 || last === undefined || !sameHealth(last, answer.snapshot)
        failures = 0
        last = answer.snapshot
        if (news) yield { kind: 'snapshot', ...last }
      } catch (thrown) {
        if (isAborted(signal)) return
        failures++
        // After an error the next query must not block: the agent may have restarted, with another index.
        index = 0
        const cause = asError(thrown)
        yield { kind: 'stale', cause }
        const asked = cause instanceof ConsulError ? cause.retryAfterMs : 0
        await sleep(this.#clock, Math.max(asked, backoffDelay(failures, BACKOFF, this.#random)), signal)
      }
    }
  }

  async #ask(
    service: string,
    index: number,
    signal: AbortSignal,
  ): Promise<{ index: number | undefined; snapshot: HealthSnapshot }> {
    // Without `passing`: what is left out and why is for us to say.
    const path = `/v1/health/service/${encodeURIComponent(service)}`
    const blocking = index > 0
    const query = blocking ? `?index=${index}&wait=${this.#waitMs}ms` : ''
    // The agent holds a query up to wait + wait/16 (its stagger); the answer needs time on top.
    const timeoutMs = (blocking ? (this.#waitMs * 17) / 16 : 0) + ANSWER_TIMEOUT_MS
    const answer = await this.#agent.get(path + query, timeoutMs, signal)
    try {
      return { index: answer.index, snapshot: decodeHealth(answer.body) }
    } catch (error) {
      throw new ConsulError(`${this.name} answered ${path} with no health list: ${asError(error).message}`, {
        cause: error,
      })
    }
  }
}

/** "Reset the index if it goes backwards"; "sanity check index is greater than zero" (use 1, which is safe). */
function nextIndex(previous: number, answered: number | undefined): number {
  if (answered === undefined || answered < previous) return 0
  return Math.max(answered, 1)
}
