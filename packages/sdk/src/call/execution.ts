import type { Cluster } from '../cluster/cluster.js'
import { Endpoint } from '../endpoint/endpoint.js'
import { asError } from '../errors.js'
import type { Events } from '../observe/events.js'
import type { NotRetried } from '../resilience/not-retried.js'
import { whyNotRetry } from '../resilience/retry.js'
import type { RetryBudget } from '../resilience/retry-budget.js'
import type { Clock } from '../clock.js'
import type { Call, CallOwner, FailedAttempt } from './call.js'
import { ofAttempt, ofCall } from './call-events.js'
import { exhausted, located, mispicked, nothingToPick, refused, unresolved } from './failures.js'

export interface ExecutionOptions {
  readonly cluster: Cluster
  readonly budget: RetryBudget
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
  readonly #events: Events
  readonly #clock: Clock
  #destroyed: Error | undefined
  #active = 0
  #idle: (() => void) | undefined

  constructor({ cluster, budget, events, clock }: ExecutionOptions) {
    this.#cluster = cluster
    this.#budget = budget
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
    this.#budget.deposit(call.attemptedAt)
    if (this.#cluster.resolved) this.#attempt(call)
    else void this.#attemptWhenResolved(call)
  }

  #attempt(call: Call): void {
    // One more may have been due, and the one before it has answered meanwhile.
    if (call.ended || call.committed || call.lapse(call.attemptedAt)) return
    if (this.#destroyed !== undefined) {
      call.fail(this.#destroyed)
      return
    }
    try {
      // Beside one that is under way, only elsewhere.
      const endpoint = this.#cluster.pick(call, !call.avoidPending())
      if (endpoint === undefined) throw nothingToPick(call, this.#cluster)
      if (!(endpoint instanceof Endpoint)) throw mispicked(endpoint)
      if (!call.attempt(endpoint)) this.attemptFailed(call, refused(call, endpoint))
    } catch (error) {
      // Ours, or that of a balancer of the user's: it must cost a request, not the process.
      call.fail(asError(error))
    }
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
    const final = call.attempting ? undefined : this.#whyFinal(call, failed)
    if (this.#events.traced) this.#publishFailure(call, failed, final)
    if (call.attempting) return
    if (final !== undefined) {
      call.fail(call.policy.attempts === 1 ? located(call.service, failed) : exhausted(call, failed, final))
    }
    // In a turn of its own, as an attempt may fail before `attempt` has returned; and in the context of its caller, as
    // this is that of whichever request opened the connection.
    else call.inContext(() => queueMicrotask(() => this.#attempt(call)))
  }

  /** No call goes on: what is in flight ends as its connection does, and each gets `error`. */
  destroy(error: Error): void {
    this.#destroyed ??= error
  }

  ended(call: Call, error: Error | undefined): void {
    if (this.#events.traced) this.#publishEnd(call, error)
    this.#active--
    if (this.#active === 0) this.#idle?.()
  }

  /** Calls that have not ended. */
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
    await call.until(this.#cluster.onResolved, () => unresolved(call, this.#cluster))
    if (!call.ended && !call.lapse(this.#clock.now())) this.#attempt(call)
  }

  /** Why there is no other attempt; `undefined` when there is one, paid for. */
  #whyFinal(call: Call, { fault, written }: FailedAttempt): NotRetried | undefined {
    const { attempts } = call.policy
    if (attempts === 1) return RETRIES_OFF
    if (fault === 'response') return RESPONSE_TOO_LARGE
    const { method, idempotent } = call.options
    const why = whyNotRetry({ method, idempotent, body: call.body, written })
    if (why !== undefined) return why
    if (call.errors.length >= attempts) {
      return { code: 'attempts_exhausted', text: `${attempts} attempts are the most` }
    }
    // What no endpoint has seen yet adds no load by being sent: it is free, or a dead instance that Consul has not noticed
    // would use the budget up before its circuit opens (gRPC A6, transparent retries).
    if (!written) return undefined
    // Last of all, so that only a retry that is made is paid for.
    return this.#budget.withdraw(call.attemptedAt) ? undefined : BUDGET_EXHAUSTED
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

const RETRIES_OFF: NotRetried = { code: 'retries_off', text: 'retries are off (option retry)' }
const RESPONSE_TOO_LARGE: NotRetried = {
  code: 'response_too_large',
  text: 'another endpoint would answer the same (option connections.maxResponseHeaderBytes)',
}
const BUDGET_EXHAUSTED: NotRetried = { code: 'budget_exhausted', text: 'the retry budget is spent' }
