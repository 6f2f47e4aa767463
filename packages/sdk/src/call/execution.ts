import { errors } from 'undici'
import type { Call, CallOwner } from './call.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { ServerPolicy } from '../discovery/server-policy.js'
import { asError, FairleadError, reasonOf } from '../errors.js'
import type { RequestHasher } from '../hashing/request-hasher.js'
import { adviceFor, isOfTheCaller, isOfTheResponse } from '../resilience/fault.js'
import { whyNotRetry } from '../resilience/retry.js'
import type { CallLog } from '../observe/call-log.js'
import type { RetryBudget } from '../resilience/retry-budget.js'
import type { Sessions } from '../sessions/sessions.js'

export interface ExecutePolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number
  readonly budget: RetryBudget
  /** What requests are hashed by, under what the registry asks for. */
  readonly hasher: (policy: ServerPolicy | undefined) => RequestHasher
  /** Undefined: nobody reads it. */
  readonly log?: CallLog | undefined
  /** Undefined: no request has a session. */
  readonly sessions?: Sessions<Endpoint> | undefined
}

/**
 * The data path of a client: each call from its first pick to the head of a response, or to an error.
 * Reads in the order in which it happens: `execute`, `#attempt`, and only if that fails `retry`, which leads back.
 * A request that goes well costs no promise.
 */
export class Execution implements CallOwner {
  readonly #cluster: Cluster
  readonly #policy: ExecutePolicy
  #destroyed: Error | undefined
  #active = 0
  #idle: (() => void) | undefined

  constructor(cluster: Cluster, policy: ExecutePolicy) {
    this.#cluster = cluster
    this.#policy = policy
  }

  get hasher(): RequestHasher {
    return this.#policy.hasher(this.#cluster.policy)
  }

  get sessions(): Sessions<Endpoint> | undefined {
    return this.#policy.sessions
  }

  get retries(): boolean {
    return this.#policy.attempts > 1
  }

  /** Sends a call on its way, at once or when discovery has answered. Never throws: what is wrong ends the call. */
  execute(call: Call): void {
    this.#active++
    call.begin()
    // Aborted beforehand, or by a handler that threw.
    if (call.ended) return
    this.#policy.budget.deposit(call.attemptedAt)
    if (this.#cluster.resolved) this.#attempt(call)
    else void this.#attemptWhenResolved(call)
  }

  /**
   * An attempt has failed before the head of a response: another one elsewhere, or the end of the call. The end comes
   * at once, since the caller's handler must be heard before undici destroys the body, and knows no error for it.
   */
  retry(call: Call, endpoint: Endpoint, failure: Error): void {
    if (this.#destroyed !== undefined) {
      call.fail(this.#destroyed)
      return
    }
    if (isOfTheCaller(failure, call.options.body)) {
      call.fail(failure)
      return
    }
    if (this.#policy.attempts === 1) {
      this.#policy.log?.failed(call, endpoint, failure, 'option retry is false')
      call.fail(located(failure, call.service, endpoint))
      return
    }
    call.failed(endpoint, failure)
    const final = whyFinal(call, failure, this.#policy)
    this.#policy.log?.failed(call, endpoint, failure, final)
    if (final !== undefined) call.fail(exhausted(call, endpoint, failure, final))
    // In a turn of its own, as an attempt may fail before `attempt` has returned; and in the context of its caller, as
    // this is that of whoever opened the connection.
    else call.inContext(() => queueMicrotask(() => this.#attempt(call)))
  }

  /** No call goes on: what is in flight ends as its connection does, and each gets `error`. */
  destroy(error: Error): void {
    this.#destroyed ??= error
  }

  ended(): void {
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

  #attempt(call: Call): void {
    if (call.ended) return
    if (this.#destroyed !== undefined) {
      call.fail(this.#destroyed)
      return
    }
    try {
      const endpoint = this.#cluster.pick(call)
      if (endpoint === undefined) throw nothingToPick(call, this.#cluster)
      this.#policy.log?.picked(call, endpoint)
      call.attempt(endpoint)
    } catch (error) {
      // Ours, or that of a balancer which a user brought along: it must cost a request, not the process.
      call.fail(asError(error))
    }
  }

  async #attemptWhenResolved(call: Call): Promise<void> {
    // Nobody follows discovery while the client is idle.
    this.#cluster.follow()
    await call.until(this.#cluster.onResolved, () => unresolved(call, this.#cluster))
    this.#attempt(call)
  }
}

/** Why there is no other attempt, as the end of a sentence; `undefined` when there is one, paid for. */
function whyFinal(call: Call, failure: Error, { attempts, budget }: ExecutePolicy): string | undefined {
  if (isOfTheResponse(failure)) {
    return failure instanceof errors.HeadersOverflowError
      ? 'another endpoint would answer the same (option connections.maxResponseHeaderBytes)'
      : 'another endpoint would answer the same'
  }
  const refusal = whyNotRetry(call.lastAttempt)
  if (refusal !== undefined) return refusal
  if (call.errors.length >= attempts) return `${attempts} attempts are the most`
  // What nobody has seen yet adds no load by being sent: it is free, or a dead instance that Consul has not noticed
  // would use the budget up before its circuit opens (gRPC A6, transparent retries).
  if (!call.lastAttempt.written) return undefined
  // Last of all, so that only a retry that is made is paid for.
  return budget.withdraw(call.attemptedAt) ? undefined : 'the retry budget is spent'
}

/**
 * Where retries are off, whoever retries instead (undici's RetryAgent, p-retry, a service mesh's client) goes by the
 * error's own code: it is handed on as it is, with where it happened.
 */
function located(failure: Error, service: string, endpoint: Endpoint): Error {
  if (!(failure instanceof FairleadError) && Object.isExtensible(failure)) {
    Object.assign(failure, { service, endpoint: endpoint.address })
  }
  return failure
}

function exhausted(call: Call, endpoint: Endpoint, failure: Error, final: string): FairleadError {
  const { method, path } = call.options
  const tries = call.errors.length === 1 ? '' : ` after ${call.errors.length} attempts`
  // Where it is this machine that had no connection to give, the endpoint is not the one to look at.
  const advice = adviceFor(failure)
  return new FairleadError(
    advice === undefined ? 'ATTEMPTS_EXHAUSTED' : 'OVERLOADED',
    `${method} ${path} to ${call.service} at ${endpoint.address} failed${tries}: ${reasonOf(failure)}` +
      `; ${advice ?? `not tried again: ${final}`}`,
    { service: call.service, endpoint: endpoint.address, errors: call.errors, cause: failure },
  )
}

/** The deadline came before discovery's first answer. */
function unresolved({ service }: Call, cluster: Cluster): FairleadError {
  return new FairleadError('NO_ENDPOINTS', `${service} has no endpoint yet: ${cluster.whyEmpty()}`, {
    service,
  })
}

/** Discovery has answered, and yet there is no endpoint: the answer was empty, or all circuits are open. */
function nothingToPick(call: Call, cluster: Cluster): FairleadError {
  const { service, errors } = call
  if (cluster.closed) return clientClosed(service)
  const count = cluster.endpoints.length
  const retained = cluster.endpoints.filter(({ reserved }) => reserved)
  if (!call.idempotent && count > 0 && retained.length === count) {
    const { method, path } = call.options
    return new FairleadError(
      'NO_ENDPOINTS',
      `${service} has no endpoint for ${method} ${path}: all ${count} are retained although discovery no longer lists them, and their addresses may be another service's by now; only idempotent requests are sent there (option idempotent)`,
      { service, errors },
    )
  }
  return count === 0
    ? new FairleadError('NO_ENDPOINTS', `${service} has no endpoint: ${cluster.whyEmpty()}`, {
        service,
        errors,
      })
    : new FairleadError('CIRCUIT_OPEN', allOpen(call, count, retained), { service, errors })
}

function allOpen({ service, idempotent }: Call, count: number, retained: readonly Endpoint[]): string {
  const usable = retained.filter((endpoint) => endpoint.usable).length
  return idempotent || usable === 0
    ? `all ${count} endpoints of ${service} have an open circuit`
    : `all ${count - retained.length} endpoints of ${service} that discovery lists have an open circuit, and ${usable} that are retained although no longer listed get only idempotent requests (option idempotent)`
}

export function clientClosed(service: string): FairleadError {
  return new FairleadError('CLIENT_CLOSED', `the client of ${service} is closed; make a new one`, { service })
}
