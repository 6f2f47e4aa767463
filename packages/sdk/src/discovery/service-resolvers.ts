import { isAborted, sleep, type Clock } from '../clock.js'
import type { ConsulAgent } from '../consul/agent.js'
import type { ConsulError } from '../consul/consul-error.js'
import { JsonListReader, type EntryReader, type Keyed } from '../consul/json-list.js'
import type { Random } from '../random.js'
import { backoffDelay } from './backoff.js'
import { answerTimeoutMs, nextIndex } from './consul-index.js'
import { asJson, text } from './json.js'
import { TokenBucket } from './token-bucket.js'
import type { WatchSlots } from './watch-slots.js'

/** Which services have a `service-resolver`. */
export interface ServiceResolvers {
  readonly names: ReadonlySet<string>
  /** Another one after each change of any of them. */
  readonly version: number
}

const NONE: ServiceResolvers = { names: new Set<string>(), version: 0 }

// They change when people change them; an operator who tries things out makes a few changes a minute.
const QUERY_RATE = { capacity: 5, perSecond: 1 }
// As for instances: without a first answer of this, no instance is asked for.
const BACKOFF = { baseMs: 250, maxMs: 10_000 }
// An agent that does not know the question, or our token's right to it, learns that with an upgrade or a new policy.
const REFUSED = { baseMs: 30_000, maxMs: 60_000 }

const NAMES: EntryReader<Keyed> = {
  read: (entry) => ({ key: text(asJson(entry)['Name']) }),
  same: () => true,
}

/**
 * Knows which services of an agent have a `service-resolver`: one blocking query for all of them, so that the many
 * services which have none cost no query of their own. It runs while someone follows it.
 */
export class ServiceResolverWatch {
  readonly #agent: ConsulAgent
  readonly #waitMs: number
  readonly #slots: WatchSlots
  readonly #clock: Clock
  readonly #random: Random
  readonly #followers = new Set<() => void>()
  #running: AbortController | undefined
  #known: ServiceResolvers | undefined
  #versions = 0
  #cause: Error | undefined

  constructor(agent: ConsulAgent, waitMs: number, slots: WatchSlots, clock: Clock, random: Random) {
    this.#agent = agent
    this.#waitMs = waitMs
    this.#slots = slots
    this.#clock = clock
    this.#random = random
  }

  /** Undefined: not known yet; see {@link cause}. */
  get known(): ServiceResolvers | undefined {
    return this.#known
  }

  /** Why asking has failed, while it does. */
  get cause(): Error | undefined {
    return this.#cause
  }

  /** Calls back after every change of `known` or `cause`; returns how to stop. */
  follow(onChange: () => void): () => void {
    this.#followers.add(onChange)
    if (this.#running === undefined) {
      this.#running = new AbortController()
      void this.#run(this.#running.signal)
    }
    return () => {
      this.#followers.delete(onChange)
      if (this.#followers.size > 0) return
      this.#running?.abort()
      this.#running = undefined
      // What was known will be old by the time someone follows again.
      this.#known = undefined
      this.#cause = undefined
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const bucket = new TokenBucket(QUERY_RATE, this.#clock)
    let index = 0
    let failures = 0
    for (;;) {
      await bucket.take(signal)
      if (isAborted(signal)) return
      try {
        const answered = await this.#ask(index, signal)
        // What a changed index brings may be equal; asking a chain once too often does no harm.
        if (answered.index !== index || failures > 0) this.#publish(answered.names, undefined)
        index = nextIndex(index, answered.index)
        failures = 0
      } catch (thrown) {
        if (isAborted(signal)) return
        failures++
        index = 0
        // #ask throws nothing else.
        const error = thrown as ConsulError
        // An agent that answers, but not this (too old, or our token may not see it), has none for us.
        const refused = error.statusCode !== undefined && !isPassing(error)
        this.#publish(refused ? NONE.names : this.#known?.names, refused ? undefined : error)
        await sleep(
          this.#clock,
          Math.max(error.retryAfterMs, backoffDelay(failures, refused ? REFUSED : BACKOFF, this.#random)),
          signal,
        )
      }
    }
  }

  async #ask(index: number, signal: AbortSignal): Promise<{ index: number | undefined; names: Set<string> }> {
    const waiting = index > 0 ? { index, waitMs: this.#waitMs } : undefined
    const query = new URLSearchParams(
      waiting === undefined ? {} : { index: String(index), wait: `${waiting.waitMs}ms` },
    )
    const slot = this.#slots.take('the watch of service-resolvers')
    try {
      const request = { path: '/v1/config/service-resolver', query, timeoutMs: answerTimeoutMs(waiting) }
      const { head, entries } = await this.#agent.askList(
        { method: 'GET', ...request },
        () => new JsonListReader(NAMES),
        signal,
      )
      return { index: head.index, names: new Set(entries.map(({ value }) => value.key)) }
    } finally {
      slot.release()
    }
  }

  #publish(names: ReadonlySet<string> | undefined, cause: Error | undefined): void {
    this.#cause = cause
    if (names !== undefined && cause === undefined) this.#known = { names, version: (this.#versions += 1) }
    for (const onChange of [...this.#followers]) onChange()
  }
}

/** Will this pass by itself: an agent without a leader, or one that is asked for too much? */
export function isPassing({ statusCode, message }: ConsulError): boolean {
  return statusCode === 429 || statusCode === 503 || (statusCode === 500 && /leader/i.test(message))
}
