import { inBackground, type Clock } from '../clock.js'
import { LinkedList, type Linked } from '../collections/linked-list.js'
import { asError } from '../errors.js'
import type { Instance } from '../discovery/resolver.js'
import type { Random } from '../random.js'
import { DeadlineHeap, type Timed } from '../resilience/deadline-heap.js'
import type { Judged } from '../resilience/judge.js'
import { failedBy } from './failed-by.js'
import type { CheckResult, HealthCheck } from './health-check.js'
import type { HealthCheckLimits } from './health-check-option.js'
import { HealthRecord } from './health-record.js'

/** What is checked of an endpoint, and what is done to it. */
export interface CheckedEndpoint extends Pick<Judged, 'address' | 'restrict' | 'lift'> {
  readonly instance: Instance
  /** Requests ever sent to it. */
  readonly requests: number
}

export interface HealthChecksOptions {
  readonly check: HealthCheck
  readonly limits: HealthCheckLimits
  /** Hears why an endpoint is unhealthy, before it is made unavailable. */
  readonly onUnhealthy: (endpoint: CheckedEndpoint, why: string) => void
  /** Its timers keep no process alive. */
  readonly clock: Clock
  readonly random: Random
}

// A process that has been suspended has all of its checks due at once: of 10,000 endpoints that many connections would be
// opened in one turn. So many at a time do 100 a second where none of them is answered within a second.
const MOST_AT_ONCE = 100

// Longer than a turn of a busy event loop takes, and than a timer of Node's is late by itself.
const HELD_UP_MS = 20

/**
 * Checks the endpoints of a client actively, while it is in use: those that get no requests, whose health nothing else
 * tells, and those that are found to be unhealthy until they are well again. One timer for all.
 *
 * The data path knows nothing of it: whether there were requests is told by an endpoint's own count of them.
 */
export class HealthChecks {
  readonly #options: HealthChecksOptions
  readonly #heap: DeadlineHeap
  readonly #checked = new Map<CheckedEndpoint, CheckedOne>()
  /** Those that are due, while as many as may be are being checked. */
  readonly #due = new LinkedList<CheckedOne>()
  #running = 0
  #started = false

  constructor(options: HealthChecksOptions) {
    this.#options = options
    this.#heap = new DeadlineHeap(inBackground(options.clock))
  }

  /** Checks this endpoint from now on, while started. */
  add(endpoint: CheckedEndpoint): void {
    const one = new CheckedOne(endpoint, this.#options.limits, this)
    this.#checked.set(endpoint, one)
    if (this.#started) this.#begin(one)
  }

  /** The endpoint has left. */
  remove(endpoint: CheckedEndpoint): void {
    const one = this.#checked.get(endpoint)
    if (one === undefined) return
    this.#checked.delete(endpoint)
    this.#halt(one)
  }

  /** The client is in use. */
  start(): void {
    if (this.#started) return
    this.#started = true
    for (const one of this.#checked.values()) this.#begin(one)
  }

  /** It is idle or closed. What has been found unhealthy stays so, and is checked first when it is in use again. */
  stop(): void {
    if (!this.#started) return
    this.#started = false
    for (const one of this.#checked.values()) this.#halt(one)
  }

  /** The time of an endpoint has come: that of its next check, or that by which it should have answered. */
  expired(one: CheckedOne, lateMs: number): void {
    if (one.run === undefined) this.#look(one)
    else this.#timedOut(one, lateMs)
  }

  /** At a random moment of the first interval: clients that are deployed together do not check together. */
  #begin(one: CheckedOne): void {
    const { limits, random } = this.#options
    one.requests = one.endpoint.requests
    this.#wait(one, one.health.unhealthy ? 0 : limits.intervalMs * random.next())
  }

  #halt(one: CheckedOne): void {
    this.#heap.remove(one)
    this.#due.remove(one)
    this.#end(one)
  }

  #look(one: CheckedOne): void {
    const { requests } = one.endpoint
    const used = requests !== one.requests
    one.requests = requests
    if (used && !one.health.unhealthy && !this.#options.limits.always) {
      one.health.used()
      this.#waitForNext(one)
    } else if (this.#running < MOST_AT_ONCE) {
      this.#check(one)
    } else {
      this.#due.append(one)
    }
  }

  #check(one: CheckedOne): void {
    const { check, limits } = this.#options
    this.#running++
    const run: Run = { cancel: ignore, extended: false }
    one.run = run
    const found = (result: CheckResult): void => {
      if (one.run === run) this.#found(one, result)
    }
    try {
      run.cancel = check(one.endpoint.instance, found)
    } catch (thrown) {
      // An origin that is none.
      found(failedBy(asError(thrown)))
    }
    if (one.run === run) this.#wait(one, limits.timeoutMs)
  }

  /** While our own event loop was held up no answer could be read: that time is given once more. */
  #timedOut(one: CheckedOne, lateMs: number): void {
    const { timeoutMs } = this.#options.limits
    const { run } = one
    if (run !== undefined && lateMs > HELD_UP_MS && !run.extended) {
      run.extended = true
      this.#wait(one, Math.min(lateMs, timeoutMs))
      return
    }
    this.#found(one, { kind: 'unreachable', why: `no answer within ${timeoutMs} ms` })
    // Behind it, as what is cancelled may say that it has failed.
    run?.cancel()
  }

  #found(one: CheckedOne, result: CheckResult): void {
    one.run = undefined
    this.#running--
    this.#heap.remove(one)
    this.#waitForNext(one)
    one.health.found(result, this.#options.clock.now(), (why) => this.#options.onUnhealthy(one.endpoint, why))
    this.#advance()
  }

  /** Cancels the check that is under way, if there is one. */
  #end(one: CheckedOne): void {
    const { run } = one
    if (run === undefined) return
    one.run = undefined
    this.#running--
    run.cancel()
    this.#advance()
  }

  #advance(): void {
    // One that has been used since starts no check, which the next would wait for.
    while (this.#started && this.#running < MOST_AT_ONCE) {
      const next = this.#due.first
      if (next === undefined) return
      this.#due.remove(next)
      this.#look(next)
    }
  }

  /** Envoy's way: what `interval_jitter_percent` is of the interval, at most, is added to it. */
  #waitForNext(one: CheckedOne): void {
    const { limits, random } = this.#options
    const { intervalMs, intervalJitterPercent } = limits
    this.#wait(one, intervalMs * (1 + (intervalJitterPercent / 100) * random.next()))
  }

  #wait(one: CheckedOne, ms: number): void {
    const now = this.#options.clock.now()
    one.at = now + ms
    this.#heap.add(one, now)
  }
}

/** A check that is under way. */
interface Run {
  cancel: () => void
  /** Has it been given more time? */
  extended: boolean
}

/** One endpoint: waiting for its next check, or being checked. */
class CheckedOne implements Timed, Linked<CheckedOne> {
  before: CheckedOne | undefined
  after: CheckedOne | undefined
  at = 0
  place = -1
  /** How many it had been sent when it was looked at last. */
  requests = 0
  /** Its check; undefined: none is under way. */
  run: Run | undefined
  readonly endpoint: CheckedEndpoint
  readonly health: HealthRecord
  readonly #checks: HealthChecks

  constructor(endpoint: CheckedEndpoint, limits: HealthCheckLimits, checks: HealthChecks) {
    this.endpoint = endpoint
    this.health = new HealthRecord(endpoint, limits)
    this.#checks = checks
  }

  expire(lateMs: number): void {
    this.#checks.expired(this, lateMs)
  }
}

function ignore(): void {}
