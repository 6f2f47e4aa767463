import { isAborted, type Clock } from '../clock.js'
import type { Cluster } from '../cluster/cluster.js'
import { currentDeadline } from '../deadline/current-deadline.js'
import type { Deadline } from '../deadline/deadline.js'
import { hostOf } from '../discovery/origin.js'
import type { Instance } from '../discovery/resolver.js'
import { Endpoint } from '../endpoint/endpoint.js'
import { FairleadError } from '../errors.js'
import { isOutcome, type Outcome, type OutcomeDetails } from '../resilience/outcome.js'
import { invalidOption, requireTime } from '../validation/invalid-option.js'
import { requireKnown } from '../validation/known-names.js'
import { clientClosed, excludedAll, mispicked, nothingToPick, unresolved } from './failures.js'
import { KeyedPick } from './keyed-pick.js'
import type { HeldLease, Leases } from './leases.js'
import type { EffectivePolicy } from './policy.js'

/** What `client.acquire` can be told. */
export interface AcquireOptions {
  /**
   * What `ring_hash`, `maglev` and `rendezvous` go by: equal keys get the same endpoint, as with `hashKey` of a request.
   * An empty one counts as none. Default: any endpoint.
   */
  readonly key?: string | undefined
  /** How long to wait for discovery, in milliseconds; `Infinity`: no limit. Default: the client's `timeoutMs`.
   * No longer than the deadline of `withDeadline` around it. */
  readonly timeoutMs?: number | undefined
  /** Ends the wait for discovery; what it is aborted with is thrown. It does not end a lease. */
  readonly signal?: AbortSignal | undefined
  /**
   * May what is done there be done twice without harm? Only then may it be an endpoint that is retained although
   * discovery no longer lists it, whose address may be another service's by now. Default false.
   */
  readonly idempotent?: boolean | undefined
  /** The `address` of each endpoint that it must not be, such as those that have failed just now. Default: none. */
  readonly exclude?: readonly string[] | undefined
}

/** What else an endpoint has said as it failed. */
export interface ReleaseDetails {
  /** So many milliseconds it asks to be left alone, as by `Retry-After`; with `overloaded` only. Default 0: it does not. */
  readonly pushbackMs?: number | undefined
}

/**
 * One use of an endpoint by a protocol of yours. It counts as a request in flight until it is released, which is yours to
 * do: one that never is stays in `inflight` of `inspect()`, draws less traffic to its endpoint for good, and has `close()`
 * wait until its limit. Release it in a `finally`, or declare it with `using`.
 */
export interface EndpointLease extends Disposable {
  /** The instance, as discovery knows it; plain data. */
  readonly instance: Instance
  /** `http://host:port` or `https://host:port`, IPv6 in brackets. */
  readonly origin: string
  /** `host:port`, IPv6 in brackets: its name in events, errors and for `exclude`. */
  readonly address: string
  /** As `net.connect` takes it: a name or an IP address, IPv6 without brackets. */
  readonly hostname: string
  /** 1 to 65,535. */
  readonly port: number
  /** Aborts with `CLIENT_CLOSED` where `close()` has reached its limit and ended the lease; never for a released one. */
  readonly signal: AbortSignal
  /**
   * It has answered: its latency is the time since the lease began. Counts once. Without it the lease is no sample of
   * latency, and policies that go by latency see its load only.
   */
  firstAnswer(): void
  /**
   * Ends the lease. Counts once; later calls are ignored.
   *
   * @param outcome How it went, as far as the endpoint is concerned, or the error that it failed by, which the client
   *   classifies as one of a request: no endpoint's fault is `ignored`, all else is a failure. So an error that the
   *   endpoint is well with (a unique key that exists) is `success`. Default `success`.
   * @throws FairleadError `INVALID_OPTION` for what is neither; the lease is held on then.
   */
  release(outcome?: Outcome | Error, details?: ReleaseDetails): void
  /** Ends the lease as `ignored`, unless it has been released: whether its block ended by an error is not known. */
  [Symbol.dispose](): void
}

/** One that tells what `follow` of a stream has to know beside. */
export interface AcquiredLease extends EndpointLease {
  /** As of {@link HeldLease}. */
  earliest(now: number): number
}

export interface AcquirerOptions {
  readonly service: string
  readonly cluster: Cluster
  readonly leases: Leases
  readonly policy: { readonly current: EffectivePolicy }
  /** Has the client been closed? */
  readonly closed: () => boolean
  readonly clock: Clock
}

const KNOWN = ['key', 'timeoutMs', 'signal', 'idempotent', 'exclude'] as const

/** Gives out endpoints for protocols that are not ours, by the client's policy and with its accounting. */
export class Acquirer {
  readonly #options: AcquirerOptions

  constructor(options: AcquirerOptions) {
    this.#options = options
  }

  /** As of `Client.acquire`. */
  async acquire(options: AcquireOptions): Promise<AcquiredLease> {
    check(options)
    const { service, cluster, policy, closed, clock } = this.#options
    if (closed()) throw clientClosed(service)
    const { timeoutMs = policy.current.timeoutMs, signal } = options
    signal?.throwIfAborted()
    const bound = currentDeadline()
    const boundMs = bound?.remainingMs ?? Infinity
    if (bound !== undefined && boundMs === 0) throw noTimeLeft(service, bound)
    if (!cluster.resolved) {
      // One that is idle has to find out anew.
      cluster.follow()
      const late = await isLate(cluster, Math.min(timeoutMs, boundMs), signal, clock)
      signal?.throwIfAborted()
      if (late) throw unresolved(service, cluster, boundMs < timeoutMs ? bound : undefined)
      if (closed()) throw clientClosed(service)
    }
    return this.#take(options)
  }

  #take({ key, idempotent = false, exclude = [] }: AcquireOptions): AcquiredLease {
    const { service, cluster, leases, policy, clock } = this.#options
    const excluded = cluster.endpoints.filter(({ address }) => exclude.includes(address))
    const pick = new KeyedPick(
      clock.now(),
      { hashKey: key, headers: null },
      policy.current.hasher,
      idempotent,
      excluded,
    )
    for (;;) {
      const endpoint: unknown = cluster.pick(pick, false)
      if (endpoint !== undefined && !(endpoint instanceof Endpoint)) throw mispicked(endpoint)
      // A balancer of the user's need not look at what has been tried.
      if (endpoint === undefined || pick.tried.includes(endpoint)) break
      const controller = new AbortController()
      const held = leases.take(endpoint, (error) => controller.abort(error))
      if (held !== undefined) return new Acquired(held, controller.signal)
      // Nor at circuits.
      pick.tried = [...pick.tried, endpoint]
    }
    if (excluded.length > 0 && excluded.length === cluster.endpoints.length) {
      throw excludedAll(service, excluded.length)
    }
    const { tried } = pick
    throw nothingToPick({ service, errors: [], tried, idempotent, title: 'acquire()' }, cluster)
  }
}

class Acquired implements AcquiredLease {
  readonly instance: Instance
  readonly origin: string
  readonly address: string
  readonly hostname: string
  readonly port: number
  readonly signal: AbortSignal
  readonly #held: HeldLease

  constructor(held: HeldLease, signal: AbortSignal) {
    const { instance, address } = held.endpoint
    const { origin } = instance
    this.instance = instance
    this.origin = origin
    this.address = address
    this.hostname = hostOf(origin).replace(/^\[(.*)\]$/, '$1')
    this.port = Number(address.slice(address.lastIndexOf(':') + 1))
    this.signal = signal
    this.#held = held
  }

  earliest(now: number): number {
    return this.#held.earliest(now)
  }

  firstAnswer(): void {
    this.#held.firstAnswer()
  }

  release(outcome: Outcome | Error = 'success', details?: ReleaseDetails): void {
    const told = details && checkedDetails(details, outcome)
    if (outcome instanceof Error) this.#fail(outcome)
    else if (isOutcome(outcome)) this.#held.release(outcome, told)
    else throw invalidOption('outcome of release', outcome, WORDS)
  }

  [Symbol.dispose](): void {
    this.#held.release('ignored')
  }

  #fail(error: Error): void {
    const { endpoint } = this.#held
    const { outcome, fault } = endpoint.classifier.error(error, undefined)
    this.#held.release(outcome)
    if (fault === 'endpoint' && isOfConnecting(error)) endpoint.unreachable(error)
  }
}

const WORDS = 'success, remote_failure, local_failure, overloaded or ignored, or an Error'

function checkedDetails(details: ReleaseDetails, outcome: unknown): OutcomeDetails {
  requireKnown('release', details, ['pushbackMs'])
  const { pushbackMs = 0 }: { readonly pushbackMs?: unknown } = details
  if (typeof pushbackMs !== 'number' || !(pushbackMs >= 0 && pushbackMs < Infinity))
    throw invalidOption('pushbackMs of release', pushbackMs, 'milliseconds, 0 or more')
  if (pushbackMs > 0 && outcome !== 'overloaded')
    throw invalidOption('outcome of release', outcome, 'overloaded where there is a pushbackMs')
  return { statusCode: 0, pushbackMs }
}

function noTimeLeft(service: string, bound: Deadline): FairleadError {
  return new FairleadError(
    'DEADLINE_EXCEEDED',
    `acquire() of ${service} has no time left by its deadline (${bound.source})`,
    { service },
  )
}

// What connect(2) says of an address that nobody answers at, and undici of one that did not in time.
const OF_CONNECTING: readonly unknown[] = [
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
]

function isOfConnecting(error: NodeJS.ErrnoException): boolean {
  return error.syscall === 'connect' || OF_CONNECTING.includes(error.code)
}

function check(options: AcquireOptions): void {
  requireKnown('acquire', options, KNOWN)
  const { key, timeoutMs, signal, idempotent, exclude } = options as Readonly<Record<string, unknown>>
  if (key !== undefined && typeof key !== 'string') throw invalidOption('key of acquire', key, 'text')
  if (timeoutMs !== undefined) requireTime('timeoutMs of acquire', timeoutMs)
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw invalidOption('signal of acquire', signal, 'an AbortSignal')
  if (idempotent !== undefined && typeof idempotent !== 'boolean')
    throw invalidOption('idempotent of acquire', idempotent, 'true or false')
  if (exclude !== undefined && !isTexts(exclude))
    throw invalidOption(
      'exclude of acquire',
      exclude,
      "an array of addresses as leases have them, such as ['10.0.0.7:8080']",
    )
  for (const [index, address] of (exclude ?? []).entries()) {
    if (!ADDRESS.test(address)) throw invalidOption(`exclude[${index}] of acquire`, address, ADDRESS_TEXT)
  }
}

// As of an origin without its scheme: what is not so equals no endpoint's address, and would exclude nothing.
const ADDRESS = /^(?:\[[\da-fA-F:.]+\]|[^\s/\\?#@:[\]]+):\d{1,5}$/
const ADDRESS_TEXT =
  "the address of a lease: host:port without a scheme, IPv6 in brackets, such as '10.0.0.7:8080'"

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

/** Resolves to whether the time is over before discovery has answered; also when the signal aborts. */
function isLate(
  cluster: Cluster,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<boolean> {
  return new Promise((resolve) => {
    const forget = cluster.onResolved(() => settle(false))
    const timer = timeoutMs === Infinity ? undefined : clock.setTimer(() => settle(true), timeoutMs)
    const aborted = (): void => settle(false)
    signal?.addEventListener('abort', aborted)
    if (signal !== undefined && isAborted(signal)) aborted()
    function settle(late: boolean): void {
      forget()
      if (timer !== undefined) clock.clearTimer(timer)
      signal?.removeEventListener('abort', aborted)
      resolve(late)
    }
  })
}
