import type { Admission } from '../admission/admission.js'
import type { Cluster } from '../cluster/cluster.js'
import { Endpoint } from '../endpoint/endpoint.js'
import { asError, FairleadError } from '../errors.js'
import type { Events } from '../observe/events.js'
import type { NotRetried } from '../resilience/not-retried.js'
import type { HttpAttempt } from '../endpoint/http-attempt.js'
import { fullJitterDelay, type BackoffOptions } from '../pacing/backoff.js'
import type { Random } from '../random.js'
import { DeadlineHeap } from '../resilience/deadline-heap.js'
import type { HedgeSettings } from '../resilience/hedge-options.js'
import type { RecentLatency } from '../resilience/recent-latency.js'
import type { RetryBudget } from '../resilience/retry-budget.js'
import type { Clock } from '../clock.js'
import type { Call } from './call.js'
import type { CallOwner, FailedAttempt } from './call-owner.js'
import { Later } from './later.js'
import { whyFinal, whyNotRepeated } from './why-final.js'
import { ofAttempt, ofCall } from './call-events.js'
import { exhausted, located, mispicked, nothingToPick, refused, unresolved } from './failures.js'

export interface ExecutionOptions {
  readonly cluster: Cluster
  readonly budget: RetryBudget
  /** Undefined: every call goes at once. */
  readonly admission?: Admission | undefined
  /** When to hedge, for policies that go by it; undefined: none does. */
  readonly recent: RecentLatency | undefined
  readonly random: Random
  readonly events: Events
  readonly clock: Clock
}

/**
 * The data path of a client: each call from its first pick to the head of a response, or to an error.
 * Reads in the order in which it happens: `execute`, `#attempt`, and only if that fails `attemptFailed`, which leads back.
 * A request that goes well costs no promise.
 */
export class Execution implements CallOwner {
  readonly #cluster: Cluster
  readonly #budget: RetryBudget
  readonly #admission: Admission | undefined
  readonly #recent: RecentLatency | undefined
  readonly #random: Random
  readonly #events: Events
  readonly #clock: Clock
  readonly #later: DeadlineHeap
  #destroyed: Error | undefined
  #active = 0
  #idle: (() => void) | undefined

  constructor({ cluster, budget, admission, recent, random, events, clock }: ExecutionOptions) {
    this.#cluster = cluster
    this.#budget = budget
    this.#admission = admission
    this.#recent = recent
    this.#random = random
    this.#later = new DeadlineHeap(clock)
    this.#events = events
    this.#clock = clock
  }

  /** Sends a call on its way, at once or when discovery has answered. Never throws: what is wrong ends the call. */
  execute(call: Call): void {
    this.#active++
    if (this.#events.traced) this.#events.publish({ type: 'call:start', ...ofCall(call, call.attemptedAt) })
    call.begin()
    // Aborted beforehand, or by a handler that threw.
    if (call.ended || call.lapse(call.attemptedAt)) return
    // Above the retries, so that a call counts once.
    if (this.#admission === undefined || this.#admission.admit(call, call.attemptedAt)) this.#start(call)
  }

  admitted(call: Call): void {
    // Aborted between its turn and this one.
    if (call.ended) return
    call.look()
    if (!call.lapse(call.attemptedAt)) this.#start(call)
  }

  #start(call: Call): void {
    this.#budget.deposit(call.attemptedAt)
    if (this.#cluster.resolved) this.#attempt(call)
    else void this.#attemptWhenResolved(call)
  }

  /** @param rested It has waited before an endpoint is asked that it has tried. */
  #attempt(call: Call, rested = false): void {
    // One more may have been due, and the one before it has answered meanwhile, or another one has begun.
    if (call.ended || call.answered || call.isAttempting() || call.lapse(call.attemptedAt)) return
    try {
      if (this.#destroyed !== undefined) throw this.#destroyed
      const endpoint = this.#cluster.pick(call)
      if (endpoint === undefined) throw nothingToPick(call, this.#cluster)
      if (!(endpoint instanceof Endpoint)) throw mispicked(endpoint)
      if (!rested && call.tried.includes(endpoint)) this.#rest(call)
      else this.#send(call, endpoint)
    } catch (error) {
      // Ours, or that of a balancer of the user's: it must cost a request, not the process.
      call.cancel(asError(error))
    }
  }

  #send(call: Call, endpoint: Endpoint): void {
    if (call.attempt(endpoint)) this.#time(call)
    else this.attemptFailed(call, refused(call, endpoint))
  }

  #sendNow(call: Call, endpoint: Endpoint): void {
    if (call.ended) return
    try {
      this.#send(call, endpoint)
    } catch (error) {
      call.cancel(asError(error))
    }
  }

  /** Who has failed a moment ago is given a moment, and not to all calls the same. */
  #rest(call: Call): void {
    const delayMs = fullJitterDelay(call.errors.length, SAME_ENDPOINT, this.#random)
    this.#after(call, delayMs, () => {
      call.look()
      this.#attempt(call, true)
    })
  }

  /** An attempt has begun: what is due if it takes long. */
  #time(call: Call): void {
    const { policy, latest } = call
    // Nearly always nothing is.
    if (!policy.timed || latest === undefined || call.ended) return
    const hedgeMs = call.attempts > 1 ? undefined : this.#hedgeDelay(policy.hedge)
    if (hedgeMs !== undefined)
      this.#after(call, hedgeMs, () => void this.#attemptBeside(call, Math.max(2, policy.attempts)))
    if (policy.perTryTimeoutMs === Infinity) return
    this.#after(call, policy.perTryTimeoutMs, (lateMs) => this.#tryEnded(call, latest, lateMs))
  }

  #hedgeDelay(hedge: HedgeSettings | undefined): number | undefined {
    if (hedge === undefined) return undefined
    if (hedge.afterMs !== undefined) return hedge.afterMs
    const usualMs = this.#recent?.quantile(hedge.percentile / 100)
    return usualMs === undefined ? undefined : Math.max(usualMs, hedge.minMs)
  }

  /** The time of an attempt is over: it is given up, if another one can take its place. */
  #tryEnded(call: Call, attempt: HttpAttempt<Endpoint>, lateMs: number): void {
    if (attempt.ended || attempt.discarded || !this.#attemptBeside(call, call.policy.attempts)) return
    const { perTryTimeoutMs } = call.policy
    const { address } = attempt.endpoint
    const message = `${call.service} at ${address} has no response after ${perTryTimeoutMs} ms (option retry.perTryTimeoutMs)`
    call.giveUp(
      attempt,
      new FairleadError('DEADLINE_EXCEEDED', message, { service: call.service, endpoint: address }),
      lateMs,
    )
  }

  /** Another attempt, elsewhere, while one is under way; if it may be, and there is one. Says whether there is. */
  #attemptBeside(call: Call, most: number): boolean {
    if (call.ended || call.answered || this.#destroyed !== undefined || call.spent >= most) return false
    if (whyNotRepeated(call, true) !== undefined || call.ofRetry) return false
    call.look()
    call.avoidPending()
    const endpoint = this.#pickElse(call)
    if (endpoint === undefined) return false
    // To one that is well goes what waits for one that is stalled: there may be much of it, and all at once.
    if (!this.#budget.withdraw(call.attemptedAt, inPanic(endpoint) && endpoint.blocked)) return false
    try {
      // Refused by a circuit that has its one probe: the attempt that is under way goes on.
      if (!call.attempt(endpoint)) return false
    } catch {
      // A transport could not be made of what discovery gave: as if it were not there.
      return false
    }
    this.#time(call)
    return call.latest?.ended === false
  }

  /** An endpoint that the call has not tried; undefined: there is none. */
  #pickElse(call: Call): Endpoint | undefined {
    try {
      const endpoint: unknown = this.#cluster.pick(call, false)
      return endpoint instanceof Endpoint ? endpoint : undefined
    } catch {
      // Of a balancer of the user's: the cluster has told of it, and what the call has is better than nothing.
      return undefined
    }
  }

  #after(call: Call, delayMs: number, work: (lateMs: number) => void): void {
    // A timer runs in no caller's context.
    const later = new Later(delayMs, (lateMs) => call.inContext(() => work(lateMs)), this.#later, this.#clock)
    call.schedule(later)
  }

  /**
   * An attempt has failed before the head of a response: another one elsewhere, or the end of the call. The end comes
   * at once, since the caller's handler must be heard before undici destroys the body, and knows no error for it.
   */
  attemptFailed(call: Call, failed: FailedAttempt): void {
    const end = this.#destroyed ?? (failed.fault === 'caller' ? failed.error : undefined)
    if (end !== undefined) {
      call.cancel(end)
      return
    }
    call.note(failed)
    // One that runs beside it may still succeed.
    const final = call.isAttempting() ? undefined : this.#whyFinal(call, failed)
    if (this.#events.traced) this.#publishFailure(call, failed, final)
    if (call.isAttempting()) return
    if (final !== undefined) {
      call.cancel(call.policy.attempts === 1 ? located(call.service, failed) : exhausted(call, failed, final))
    }
    // In a turn of its own, as an attempt may fail before `attempt` has returned; and in the context of its caller, as
    // this is that of whichever request opened the connection.
    else call.inContext(() => queueMicrotask(() => this.#attempt(call)))
  }

  isReplaced(call: Call, failed: FailedAttempt): boolean {
    if (this.#destroyed !== undefined || call.deadline <= this.#clock.now()) return false
    if (call.isAttempting(failed.ordinal)) {
      // One that runs beside it may do better.
      call.note(failed)
      if (this.#events.traced) this.#publishFailure(call, failed, undefined)
      return true
    }
    if (whyFinal(call, failed) !== undefined) return false
    call.note(failed)
    const endpoint = this.#pickElse(call)
    // Last of all, so that only a retry that is made is paid for. Without one, the answer is the caller's at once.
    if (endpoint === undefined || !this.#budget.withdraw(call.attemptedAt, inPanic(endpoint))) return false
    if (this.#events.traced) this.#publishFailure(call, failed, undefined)
    // In a turn of its own: this is the middle of the response that is not wanted.
    call.inContext(() => queueMicrotask(() => this.#sendNow(call, endpoint)))
    return true
  }

  attemptStalled(call: Call): void {
    this.#attemptBeside(call, call.policy.attempts)
  }

  /** No call goes on: what is in flight ends as its connection does, and each gets `error`. */
  destroy(error: Error): void {
    this.#destroyed ??= error
    this.#admission?.destroy(error)
  }

  ended(call: Call, error: Error | undefined): void {
    this.#admission?.leave(call)
    if (this.#events.traced) this.#publishEnd(call, error)
    this.#active--
    if (this.#active === 0) this.#idle?.()
  }

  /** Calls that have not ended, those that are queued included. */
  get active(): number {
    return this.#active
  }

  /** Resolves when no call is left. */
  async idle(): Promise<void> {
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  async #attemptWhenResolved(call: Call): Promise<void> {
    // Discovery is not followed while the client is idle.
    this.#cluster.follow()
    await call.until(this.#cluster.onResolved, () => unresolved(call.service, this.#cluster, call.boundBy))
    if (call.ended) return
    call.look()
    if (!call.lapse(call.attemptedAt)) this.#attempt(call)
  }

  /** Why there is no other attempt; `undefined` when there is one, paid for. */
  #whyFinal(call: Call, failed: FailedAttempt): NotRetried | undefined {
    const why = whyFinal(call, failed)
    if (why !== undefined) return why
    if (failed.written) {
      // Last of all, so that only a retry that is made is paid for.
      return this.#budget.withdraw(call.attemptedAt, inPanic(failed.endpoint)) ? undefined : BUDGET_EXHAUSTED
    }
    // What no endpoint has seen yet adds no load by being sent: it is free, or a dead instance that Consul has not noticed
    // would use the budget up before its circuit opens (gRPC A6, transparent retries). And it goes to each endpoint that
    // there is; but to the same ones only as often as any other.
    const { attempts } = call.policy
    if (call.errors.length < attempts) return undefined
    // Where it is this machine that has nothing left, another endpoint makes no difference.
    const next = failed.advice === undefined ? this.#pickElse(call) : undefined
    if (next === undefined) return { code: 'attempts_exhausted', text: `${attempts} attempts are the most` }
    return next.blocked && call.errors.length >= MOST_IN_PANIC ? IN_PANIC : undefined
  }

  #publishFailure(
    call: Call,
    { endpoint, error, ordinal }: FailedAttempt,
    final: NotRetried | undefined,
  ): void {
    const about = ofAttempt(call, endpoint, ordinal, call.attemptedAt)
    this.#events.publish({ type: 'attempt:failed', ...about, error, final })
  }

  #publishEnd(call: Call, error: Error | undefined): void {
    const about = { ...ofCall(call, this.#clock.now()), attempts: call.attempts }
    this.#events.publish({ type: 'call:end', ...about, error })
  }
}

function inPanic({ panic }: Endpoint): boolean {
  return panic !== 'none'
}

// Envoy's: a base of 25 ms, and ten times that at most.
const SAME_ENDPOINT: BackoffOptions = { baseMs: 25, maxMs: 250 }
// Where none is available, each call would otherwise try ten that are known to be dead: ten times the connections, of a
// service with a hundred instances, for next to no chance. Of a small one each is still tried, so that the first that is
// back is found by the first request.
const MOST_IN_PANIC = 4
const IN_PANIC: NotRetried = {
  code: 'attempts_exhausted',
  text: `no endpoint is available, and ${MOST_IN_PANIC} were tried all the same`,
}
const BUDGET_EXHAUSTED: NotRetried = { code: 'budget_exhausted', text: 'the retry budget is spent' }
