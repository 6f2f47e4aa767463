import { EventEmitter } from 'node:events'
import CircuitBreaker from 'opossum'
import type { Clock, Timer } from '../clock.js'
import { backoffDelay } from '../pacing/backoff.js'
import type { Random } from '../random.js'
import { inOwnContext } from '../runtime/own-context.js'
import type { Breaker, BreakerFactory, BreakerState, Permit } from './breaker.js'
import { isFailure, type Outcome } from './outcome.js'

export interface OpossumBreakerOptions {
  /** Requests in the window before a rate of failures means anything. */
  readonly volumeThreshold: number
  /** The circuit opens above this share of failures in the window, in percent. */
  readonly errorThresholdPercentage: number
  /** The circuit opens at so many failures in a row, whatever the window holds; false: at none. */
  readonly consecutiveFailures: number | false
  /** Length of the rolling window in milliseconds. */
  readonly windowMs: number
  /**
   * How long the circuit stays open before one probe is let through, in milliseconds: half of it to all of it, by chance.
   * Twice as long after each probe that fails.
   */
  readonly resetMs: number
  /** How long at the very most, in milliseconds. */
  readonly maxResetMs: number
}

/** What it goes by. */
export interface OpossumBreakerContext {
  /** Of the background, as nothing waits for an open circuit. */
  readonly clock: Clock
  readonly random: Random
}

// Of `resetMs`: before a success in panic closes a circuit. Of a fleet in which each endpoint fails most of its requests,
// circuits would otherwise open and close with every few of them, a line in the log each time.
const SHORTEST_OPEN = 0.1

// Ten buckets: the window slides by a tenth of its length, as opossum's own default does.
const BUCKETS = 10

/** A bucket of opossum's; its typings leave the live counters out. */
interface Bucket {
  fires: number
  successes: number
}

/**
 * opossum behind the two-phase port: it owns the window and the threshold, and says when to open. The way back is ours:
 * its own timer has one length, takes no clock, and a window that outlived the recovery would open the circuit again at
 * the next failure. So each time closed has an opossum of its own, made for the first failure.
 */
export function opossumBreaker(
  options: OpossumBreakerOptions,
  context: OpossumBreakerContext,
): BreakerFactory {
  return (report, now) => new OpossumBreaker(options, context, report, now)
}

class OpossumBreaker implements Breaker {
  readonly #options: OpossumBreakerOptions
  readonly #context: OpossumBreakerContext
  readonly #report: Parameters<BreakerFactory>[0]
  readonly #bucketMs: number
  readonly #mostInARow: number
  /** While closed, from the first failure on: it takes 8 kB with its buckets, and most endpoints never fail. */
  #circuit: CircuitBreaker<[Outcome], void> | undefined
  #rotation: EventEmitter | undefined
  #rotatedAt = 0
  #state: BreakerState = 'closed'
  #period: Permit = 1
  #probing = false
  /** Failures in a row, while closed. */
  #inARow = 0
  /** How often it has opened since it was last closed. */
  #openings = 0
  #openedAt = 0
  /** While open. */
  #timer: Timer | undefined
  /** Successes that opossum has not been told of yet, by bucket, the present one first. */
  readonly #untold = new Array<number>(BUCKETS).fill(0)

  constructor(
    options: OpossumBreakerOptions,
    context: OpossumBreakerContext,
    report: Parameters<BreakerFactory>[0],
    now: number,
  ) {
    this.#options = options
    this.#context = context
    this.#report = report
    this.#bucketMs = options.windowMs / BUCKETS
    this.#mostInARow = options.consecutiveFailures === false ? Infinity : options.consecutiveFailures
    this.#rotatedAt = now
  }

  get state(): BreakerState {
    return this.#state
  }

  get available(): boolean {
    return this.#state === 'closed' || (this.#state === 'half_open' && !this.#probing)
  }

  acquire(inPanic: boolean): Permit {
    if (!this.available) return inPanic ? -this.#period : 0
    if (this.#state === 'half_open') this.#probing = true
    return this.#period
  }

  record(permit: Permit, outcome: Outcome, now: number): void {
    // From an earlier period: it says how the endpoint was, not how it is.
    if (Math.abs(permit) !== this.#period) return
    if (permit < 0) this.#answeredInPanic(outcome, now)
    else if (this.#state === 'half_open') this.#probed(outcome)
    else if (outcome === 'success') this.#succeeded(now)
    else if (isFailure(outcome)) this.#failed(outcome, now)
    // It answers.
    else if (outcome === 'overloaded') this.#inARow = 0
  }

  hasten(): void {
    // It has one while it is open.
    if (this.#timer === undefined) return
    this.#stopTimer()
    // In the panic it had its share of the requests: one more is none too many. In a turn of its own, as this is the middle
    // of a change of availability.
    this.#halfOpenAfter(0)
  }

  close(): void {
    this.#forget()
    this.#stopTimer()
  }

  #succeeded(now: number): void {
    this.#inARow = 0
    this.#rotate(now)
    // Changes no state, so it is only counted, and told when the count is next needed.
    this.#untold[0] = (this.#untold[0] ?? 0) + 1
  }

  #failed(outcome: Outcome, now: number): void {
    this.#inARow++
    if (this.#inARow >= this.#mostInARow) {
      // Who hears of a change is there for all requests.
      inOwnContext(() => this.#open())
      return
    }
    this.#rotate(now)
    const circuit = (this.#circuit ??= this.#makeCircuit())
    this.#tell(circuit)
    // opossum has heard of it by the next turn of the microtask queue; the rejection is our own.
    inOwnContext(() => void circuit.fire(outcome).catch(() => undefined))
  }

  /** By the outcome of a probe: an aborted one decides nothing, and leaves its place to the next. */
  #probed(outcome: Outcome): void {
    if (outcome === 'success') inOwnContext(() => this.#recover())
    else if (isFailure(outcome)) inOwnContext(() => this.#open())
    else this.#probing = false
  }

  /** Its failures are known; one that goes well is as good as a probe. */
  #answeredInPanic(outcome: Outcome, now: number): void {
    if (outcome !== 'success' || now - this.#openedAt < SHORTEST_OPEN * this.#options.resetMs) return
    this.#stopTimer()
    inOwnContext(() => this.#recover())
  }

  #open(): void {
    const { resetMs: baseMs, maxResetMs } = this.#options
    const { clock, random } = this.#context
    this.#forget()
    this.#openedAt = clock.now()
    const limits = { baseMs, maxMs: Math.max(baseMs, maxResetMs) }
    const resetMs = backoffDelay(++this.#openings, limits, random)
    this.#halfOpenAfter(resetMs)
    this.#enter('open', resetMs)
  }

  #halfOpenAfter(delayMs: number): void {
    this.#timer = this.#context.clock.setTimer(() => {
      this.#timer = undefined
      this.#enter('half_open')
    }, delayMs)
  }

  #recover(): void {
    this.#openings = 0
    this.#enter('closed')
  }

  #enter(state: BreakerState, resetMs?: number): void {
    this.#state = state
    this.#period++
    this.#probing = false
    this.#report(state, resetMs)
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#context.clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  /** What has been counted is of a time that is over. */
  #forget(): void {
    this.#circuit?.shutdown()
    this.#circuit = undefined
    this.#rotation = undefined
    this.#inARow = 0
    this.#untold.fill(0)
  }

  #makeCircuit(): CircuitBreaker<[Outcome], void> {
    const { volumeThreshold, errorThresholdPercentage, windowMs } = this.#options
    const circuit = new CircuitBreaker(settle, {
      volumeThreshold,
      errorThresholdPercentage,
      rollingCountTimeout: windowMs,
      rollingCountBuckets: BUCKETS,
      // The call is over when opossum hears of it: its own timer, percentiles and snapshots have nothing to do,
      // and would cost two timers a breaker and a sort of all latencies at every failure.
      timeout: false,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      rotateBucketController: (this.#rotation = new EventEmitter()),
    })
    // Comes behind opossum's own listener, whose timer ends with it.
    circuit.on('open', () => this.#open())
    return circuit
  }

  /** Adds the successes to the buckets they belong to: with `fire`, each would cost 0.45 µs and several promises. */
  #tell(circuit: CircuitBreaker<[Outcome], void>): void {
    const buckets = circuit.status.window as unknown as readonly Bucket[]
    buckets.forEach((bucket, place) => {
      const successes = this.#untold[place] ?? 0
      bucket.fires += successes
      bucket.successes += successes
    })
    this.#untold.fill(0)
  }

  /** Moves the window on to the present, so that an idle breaker needs no timer. */
  #rotate(now: number): void {
    const passed = Math.floor((now - this.#rotatedAt) / this.#bucketMs)
    if (passed <= 0) return
    this.#rotatedAt += passed * this.#bucketMs
    for (let bucket = Math.min(passed, BUCKETS); bucket > 0; bucket--) {
      this.#untold.pop()
      this.#untold.unshift(0)
      this.#rotation?.emit('rotate')
    }
  }
}

const succeeded = Promise.resolve()
const failed = new Error('the request failed')

function settle(outcome: Outcome): Promise<void> {
  // A value, not a throw: the error is a constant that no caller sees.
  return outcome === 'success' ? succeeded : Promise.reject(failed)
}
