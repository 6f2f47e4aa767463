import { isAborted, sleep, type Clock } from '../../clock.js'
import type { ConsulAgent } from '../../consul/agent.js'
import type { AnswerHead } from '../../consul/answer-head.js'
import { isRejection, type ConsulError } from '../../consul/consul-error.js'
import { JsonListReader, type EntryReader, type Keyed, type ListEntry } from '../../consul/json-list.js'
import type { Random } from '../../random.js'
import { backoffDelay } from '../../pacing/backoff.js'
import { answerTimeoutMs, BlockingIndex, CONFIRM_MS, type Waiting } from './blocking-index.js'
import { configQuery, type Consistency } from './question.js'
import { asJson, text } from '../../consul/json.js'
import { TokenBucket } from '../../pacing/token-bucket.js'
import { WaitLimit } from './wait-limit.js'
import type { Slot, WatchSlots } from './watch-slots.js'

/** Which services have a `service-resolver`. */
export interface ServiceResolvers {
  readonly names: ReadonlySet<string>
  /** Another one after each change of any of them. */
  readonly version: number
}

export interface ServiceResolverOptions {
  /** How long the agent may hold a query open, in milliseconds. */
  readonly waitMs: number
  readonly consistency: Consistency
  readonly slots: WatchSlots
}

// They change when people change them; an operator who tries things out makes a few changes a minute.
const QUERY_RATE = { capacity: 5, perSecond: 1 }
// As for instances: without a first answer of this, no instance is queried.
const BACKOFF = { baseMs: 250, maxMs: 10_000 }
// An agent that does not know the question, or our token's right to it, learns that with an upgrade or a new policy.
const REJECTED = { baseMs: 30_000, maxMs: 60_000 }

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
  readonly #options: ServiceResolverOptions
  readonly #clock: Clock
  readonly #random: Random
  readonly #followers = new Set<() => void>()
  #running: AbortController | undefined
  #known: ServiceResolvers | undefined
  #versions = 0
  #cause: Error | undefined

  constructor(agent: ConsulAgent, options: ServiceResolverOptions, clock: Clock, random: Random) {
    this.#agent = agent
    this.#options = options
    this.#clock = clock
    this.#random = random
  }

  /** Undefined: not known yet; see {@link cause}. */
  get known(): ServiceResolvers | undefined {
    return this.#known
  }

  /** Why nothing is known yet, once asking has failed. */
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
      // The next follower must not go by what was so long ago.
      this.#known = undefined
      this.#cause = undefined
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const bucket = new TokenBucket(QUERY_RATE, this.#clock)
    const index = new BlockingIndex()
    const wait = new WaitLimit(this.#options.waitMs)
    let slot: Slot | undefined
    let failures = 0
    let published: number | undefined
    for (;;) {
      await bucket.take(signal)
      if (isAborted(signal)) break
      const waiting = index.waiting(wait.waitMs)
      const askedAt = this.#clock.now()
      try {
        slot ??= this.#options.slots.take('the watch of service-resolvers')
        const { head, entries } = await this.#ask(waiting, signal)
        if (isAborted(signal)) break
        const standing = index.take(head)
        if (standing === 'whole') {
          // What a new index brings may be equal; asking a chain once too often does no harm.
          if (this.#known === undefined || head.index !== published || failures > 0)
            this.#publish(new Set(entries.map(({ value }) => value.key)))
          published = head.index
          failures = 0
        } else if (standing === 'older') {
          await sleep(this.#clock, CONFIRM_MS, signal)
        }
      } catch (thrown) {
        if (isAborted(signal)) break
        index.reset()
        // #ask throws nothing else.
        const error = thrown as ConsulError
        if (waiting !== undefined && wait.isCut(error, this.#clock.now() - askedAt)) continue
        failures++
        this.#fail(error)
        const pace = isRejection(error) ? REJECTED : BACKOFF
        const delayMs = Math.max(error.retryAfterMs, backoffDelay(failures, pace, this.#random))
        await sleep(this.#clock, delayMs, signal)
      }
    }
    slot?.release()
  }

  #ask(
    waiting: Waiting | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly head: AnswerHead; readonly entries: readonly ListEntry<Keyed>[] }> {
    const { consistency } = this.#options
    return this.#agent.askList(
      {
        method: 'GET',
        path: '/v1/config/service-resolver',
        query: configQuery(consistency, waiting),
        timeoutMs: answerTimeoutMs(waiting),
      },
      () => new JsonListReader(NAMES),
      signal,
    )
  }

  #publish(names: ReadonlySet<string>): void {
    this.#cause = undefined
    this.#known = { names, version: (this.#versions += 1) }
    this.#tell()
  }

  /** What is known stays: a list that cannot be had for a while has not become empty. */
  #fail(error: ConsulError): void {
    if (this.#known !== undefined) return
    // An agent that answers, but not this (too old, or our token may not see it), has none for us.
    if (isRejection(error)) {
      this.#publish(new Set<string>())
    } else {
      this.#cause = error
      this.#tell()
    }
  }

  #tell(): void {
    for (const onChange of [...this.#followers]) onChange()
  }
}
