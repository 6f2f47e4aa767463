import { isAborted, sleep, type Clock } from '../../clock.js'
import type { ConsulAgent } from '../../consul/agent.js'
import type { AnswerHead } from '../../consul/answer-head.js'
import { ConsulError } from '../../consul/consul-error.js'
import { JsonListReader, type ListEntry } from '../../consul/json-list.js'
import { asError } from '../../errors.js'
import type { Random } from '../../random.js'
import { backoffDelay } from '../../pacing/backoff.js'
import {
  healthOf,
  healthReader,
  sameHealth,
  type HealthEntry,
  type HealthSnapshot,
  type ReadOptions,
} from './health.js'
import { whyEmpty } from './empty-answer.js'
import { answerTimeoutMs, BlockingIndex, CONFIRM_MS, type Waiting } from './blocking-index.js'
import { healthQuery, type Asked, type ConsulQuestion } from './question.js'
import { suspicionOf, FILTERED, isBlind, isTooOld, mayMiss, NO_TOKEN } from './trust.js'
import { TokenBucket } from '../../pacing/token-bucket.js'
import type { StartLimiter } from './start-limiter.js'
import { WaitLimit } from './wait-limit.js'
import type { Slot, WatchSlots } from './watch-slots.js'

export interface WatchOptions {
  /** How long the agent may hold a query open, in milliseconds. */
  readonly waitMs: number
  /** How old an answer may be before the leader is asked instead, in milliseconds. */
  readonly maxStaleMs: number
  readonly slots: WatchSlots
  /** Of all watches of one agent. */
  readonly starts: StartLimiter
}

/** What is watched: one question about one service, and how its answer is read. */
export interface WatchTarget {
  readonly service: string
  readonly question: ConsulQuestion
  readonly read: ReadOptions
}

/** What a watch of one target has to tell. */
export type TargetEvent =
  | {
      readonly kind: 'health'
      readonly health: HealthSnapshot
      /** Why it is suspect; undefined: it is not. */
      readonly suspect: string | undefined
      /** What the agent says where there is no entry at all; see {@link whyEmpty}. */
      readonly empty: string | undefined
    }
  | { readonly kind: 'stale'; readonly cause: Error }

// Whatever the agent does (answer at once, churn its index), one watch asks five times and then four a second.
const QUERY_RATE = { capacity: 5, perSecond: 4 }

// A restarted agent is back in seconds, so the first retries are quick; 10 s bounds how late its return is seen.
const BACKOFF = { baseMs: 250, maxMs: 10_000 }

// Nothing wakes a query when an agent finds its leader again, or a token gets its rights: what is suspect is asked
// for again after this time at the latest. A token that there is not gets none.
const SUSPECT_WAIT_MS = 10_000

/** One answer about a service. */
interface Answer {
  readonly head: AnswerHead
  readonly entries: readonly ListEntry<HealthEntry>[]
}

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
  const { maxStaleMs, slots } = options
  const bucket = new TokenBucket(QUERY_RATE, clock)
  const index = new BlockingIndex()
  const wait = new WaitLimit(options.waitMs)
  let slot: Slot | undefined
  let failures = 0
  let answer: Answer | undefined
  let last: HealthSnapshot | undefined
  let suspect: string | undefined
  let empty: string | undefined
  // Has the token ever seen all of it?
  let sawAll = false
  // An answer that is too old, while the leader is asked instead.
  let spare: Answer | undefined
  // The next query is for the servers, as a stream cannot say what has to be known.
  let confirming = false
  await options.starts.admit()
  try {
    for (;;) {
      await bucket.take(signal)
      if (isAborted(signal)) return
      const waitMs =
        suspect === undefined || suspect === NO_TOKEN ? wait.waitMs : Math.min(wait.waitMs, SUSPECT_WAIT_MS)
      const waiting = spare === undefined ? index.waiting(waitMs) : undefined
      const askedAt = clock.now()
      try {
        // Kept from one query to the next: a watch that runs must not lose its place to one that begins.
        slot ??= slots.take(target.service)
        const of = spare !== undefined ? 'leader' : confirming ? 'servers' : 'anyone'
        answer = await ask(agent, target, of, waiting, answer, signal)
        if (waiting !== undefined) wait.answered(clock.now() - askedAt)
      } catch (thrown) {
        if (isAborted(signal)) return
        const cause = asError(thrown)
        // After an error the next query must not block: the agent may have restarted, with another index.
        index.reset()
        if (waiting !== undefined && wait.isCut(cause, clock.now() - askedAt)) continue
        if (spare === undefined) {
          failures++
          yield { kind: 'stale', cause }
          const pause = pauseMs(cause, failures, random)
          if (pause > 0) await sleep(clock, pause, signal)
          continue
        }
        // The leader cannot be asked: what is too old is all there is.
        answer = spare
      }
      if (spare === undefined && isRelaxed(target.question) && isTooOld(answer.head, maxStaleMs)) {
        // Bounded staleness, as Consul's own DNS keeps it: what is too old is asked of the leader, once.
        spare = answer
        // Who has nothing yet gets it meanwhile.
        if (last !== undefined) continue
      } else {
        spare = undefined
      }
      const { head, entries } = answer
      const standing = index.take(head)
      confirming = standing === 'unconfirmed'
      if (standing !== 'whole') {
        if (standing === 'older') await sleep(clock, CONFIRM_MS, signal)
        continue
      }
      // "Return is no guarantee of change": equal answers cause no event, unless they end an outage or a suspect state.
      const health = healthOf(
        entries.map(({ value }) => value),
        target.question.near === undefined ? 'by key' : "the agent's",
      )
      const before = suspect
      suspect =
        suspicionOf(head, maxStaleMs) ??
        (mayMiss(head, health, sawAll) ? FILTERED : undefined) ??
        (isBlind(head, health, agent.sendsToken) ? NO_TOKEN : undefined)
      if (head.streamed && suspect === undefined && before !== undefined && before !== NO_TOKEN) {
        // It says nothing of a leader or of ACLs, so the answer before stays suspect.
        suspect = before
        index.reset()
        confirming = true
      }
      sawAll ||= head.filteredByAcls === false
      const changed = last === undefined || !sameHealth(last, health)
      if (entries.length > 0) empty = undefined
      else if (changed) empty = await whyEmpty(agent, target, head, signal)
      const news = changed || failures > 0 || suspect !== before
      failures = 0
      if (changed) last = health
      if (news) yield { kind: 'health', health: last ?? health, suspect, empty }
    }
  } finally {
    slot?.release()
  }
}

/** At once where a connection broke for the first time, as an agent that was restarted may be back already. */
function pauseMs(cause: Error, failures: number, random: Random): number {
  const answered = cause instanceof ConsulError && cause.statusCode !== undefined ? cause : undefined
  if (answered === undefined && failures === 1) return 0
  return Math.max(answered?.retryAfterMs ?? 0, backoffDelay(failures, BACKOFF, random))
}

/** @param last What has been answered before, from which all is taken that is in both. */
async function ask(
  agent: ConsulAgent,
  { service, question, read }: WatchTarget,
  of: Asked,
  waiting: Waiting | undefined,
  last: Answer | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  return agent.askList(
    {
      method: 'GET',
      path: `/v1/health/service/${encodeURIComponent(service)}`,
      query: healthQuery(question, of, waiting),
      timeoutMs: answerTimeoutMs(waiting),
    },
    ({ addressesTranslated }) => {
      // The same text says something else where addresses are those of another network.
      const comparable = last?.head.addressesTranslated === addressesTranslated
      return new JsonListReader(healthReader(read, addressesTranslated), comparable ? last.entries : [])
    },
    signal,
  )
}

/** May someone else than the leader answer it? */
function isRelaxed({ cached, consistency }: ConsulQuestion): boolean {
  return cached || consistency === 'stale'
}
