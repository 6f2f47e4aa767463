import { isAborted, sleep, type Clock } from '../clock.js'
import type { ConsulAgent } from '../consul/agent.js'
import type { AnswerHead } from '../consul/answer-head.js'
import { ConsulError } from '../consul/consul-error.js'
import { JsonListReader, type ListEntry } from '../consul/json-list.js'
import { asError } from '../errors.js'
import type { Random } from '../random.js'
import { backoffDelay } from './backoff.js'
import {
  healthOf,
  healthReader,
  sameHealth,
  type HealthEntry,
  type HealthSnapshot,
  type ReadOptions,
} from './consul-health.js'
import { healthQuery, type ConsulQuestion } from './consul-question.js'
import { doubtOf, isTooOld } from './consul-trust.js'
import { answerTimeoutMs, nextIndex } from './consul-index.js'
import { TokenBucket } from './token-bucket.js'
import type { Turnstile } from './turnstile.js'
import type { WatchSlots } from './watch-slots.js'

export interface WatchOptions {
  /** How long the agent may hold a query open, in milliseconds. */
  readonly waitMs: number
  /** How old an answer may be before the leader is asked instead, in milliseconds. */
  readonly maxStaleMs: number
  readonly slots: WatchSlots
  /** For those that begin. */
  readonly turnstile: Turnstile
}

/** What is watched: one question about one service, and how its answer is read. */
export interface WatchTarget {
  readonly service: string
  readonly question: ConsulQuestion
  readonly read: ReadOptions
}

/** What a watch of one target has to tell. */
export type TargetEvent =
  | { readonly kind: 'health'; readonly health: HealthSnapshot; readonly doubt: string | undefined }
  | { readonly kind: 'stale'; readonly cause: Error }

// Whatever the agent does (answer at once, churn its index), one watch asks five times and then four a second.
const QUERY_RATE = { capacity: 5, perSecond: 4 }

// A restarted agent is back in seconds, so the first retries are quick; 10 s bounds how late its return is seen.
const BACKOFF = { baseMs: 250, maxMs: 10_000 }

// A server that has just been elected reads the rest of its log within milliseconds; this is far beyond.
const CONFIRM_MS = 1000

/**
 * Follows one target by blocking queries on `/v1/health/service/<name>`. Infinite, until `signal` aborts.
 * Source: Consul's documentation, features/blocking; the rules are cited where they are kept.
 */
export async function* watchTarget(
  agent: ConsulAgent,
  target: WatchTarget,
  options: WatchOptions,
  clock: Clock,
  random: Random,
  signal: AbortSignal,
): AsyncGenerator<TargetEvent, void, undefined> {
  const bucket = new TokenBucket(QUERY_RATE, clock)
  let index = 0
  let failures = 0
  let answer: Answer | undefined
  let last: HealthSnapshot | undefined
  let lastDoubt: string | undefined
  let newest = 0
  let regressed = false
  let exact = false
  await options.turnstile.pass()
  for (;;) {
    await bucket.take(signal)
    if (isAborted(signal)) return
    try {
      answer = await ask(agent, target, options, index, exact, answer, signal)
      const { head } = answer
      index = nextIndex(index, head.index)
      if (!exact && isTooOld(head, options.maxStaleMs)) {
        // Bounded staleness, as Consul's own DNS keeps it: what is too old is asked of the leader, once.
        exact = true
        index = 0
        if (target.question.cached || target.question.consistency === 'stale') continue
      }
      exact = false
      regressed = !regressed && last !== undefined && (head.index ?? 0) < newest
      if (regressed) {
        // A server that has just come back may lead before it has read its log to the end: for moments it gives
        // the state of long ago, an empty list among them, as the truth. What is older than what we know has to
        // be said twice; where data is really lost, that comes through a second later.
        index = 0
        await sleep(clock, CONFIRM_MS, signal)
        continue
      }
      newest = head.index ?? 0
      const doubt = doubtOf(head, options.maxStaleMs)
      // "Return is no guarantee of change": equal answers cause no event, unless they end an outage or a doubt.
      const health = healthOf(answer.entries.map(({ value }) => value))
      const changed = last === undefined || !sameHealth(last, health)
      const news = changed || failures > 0 || doubt !== lastDoubt
      failures = 0
      if (changed) last = health
      lastDoubt = doubt
      if (news) yield { kind: 'health', health: last ?? health, doubt }
    } catch (thrown) {
      if (isAborted(signal)) return
      failures++
      // After an error the next query must not block: the agent may have restarted, with another index.
      index = 0
      exact = false
      const cause = asError(thrown)
      yield { kind: 'stale', cause }
      const asked = cause instanceof ConsulError ? cause.retryAfterMs : 0
      await sleep(clock, Math.max(asked, backoffDelay(failures, BACKOFF, random)), signal)
    }
  }
}

interface Answer {
  readonly head: AnswerHead
  readonly entries: readonly ListEntry<HealthEntry>[]
}

/** @param last What has been answered before, from which all is taken that is in both. */
async function ask(
  agent: ConsulAgent,
  { service, question, read }: WatchTarget,
  { waitMs, slots }: WatchOptions,
  index: number,
  exact: boolean,
  last: Answer | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  const waiting = index > 0 ? { index, waitMs } : undefined
  const slot = slots.take(service)
  try {
    return await agent.askList(
      {
        method: 'GET',
        path: `/v1/health/service/${encodeURIComponent(service)}`,
        query: healthQuery(question, exact, waiting),
        timeoutMs: answerTimeoutMs(waiting),
      },
      ({ addressesTranslated }) => {
        // The same text says something else where addresses are those of another network.
        const comparable = last?.head.addressesTranslated === addressesTranslated
        return new JsonListReader(healthReader(read, addressesTranslated), comparable ? last.entries : [])
      },
      signal,
    )
  } finally {
    slot.release()
  }
}
