import { EventEmitter } from 'node:events'
import CircuitBreaker from 'opossum'
import { inOwnContext } from '../runtime/own-context.js'
import type { Breaker, BreakerFactory, BreakerState, Permit } from './breaker.js'
import { isFailure, type Outcome } from './outcome.js'

export interface OpossumBreakerOptions {
  /** Requests in the window before a rate of failures means anything. */
  readonly volumeThreshold: number
  /** The circuit opens above this share of failures in the window, in percent. */
  readonly errorThresholdPercentage: number
  /** Length of the rolling window in milliseconds. */
  readonly windowMs: number
  /** How long the circuit stays open before one probe is let through, in milliseconds. */
  readonly resetMs: number
}

// Ten buckets: the window slides by a tenth of its length, as opossum's own default does.
const BUCKETS = 10

/** A bucket of opossum's; its typings leave the live counters out. */
interface Bucket {
  fires: number
  successes: number
}

/** opossum behind the two-phase port: it owns the window, the threshold and the states. */
export function opossumBreaker(options: OpossumBreakerOptions): BreakerFactory {
  return (report, now) => new OpossumBreaker(options, report, now)
}

class OpossumBreaker implements Breaker {
  readonly #options: OpossumBreakerOptions
  readonly #report: Parameters<BreakerFactory>[0]
  readonly #bucketMs: number
  /** Made for the first failure: it takes 8 kB with its buckets, and most endpoints never fail. */
  #circuit: CircuitBreaker<[Outcome], void> | undefined
  #rotation: EventEmitter | undefined
  #rotatedAt = 0
  #state: BreakerState = 'closed'
  #period: Permit = 1
  #probing = false
  /** Successes that opossum has not been told of yet, by bucket, the present one first. */
  readonly #untold = new Array<number>(BUCKETS).fill(0)

  constructor(options: OpossumBreakerOptions, report: Parameters<BreakerFactory>[0], now: number) {
    this.#options = options
    this.#report = report
    this.#bucketMs = options.windowMs / BUCKETS
    this.#rotatedAt = now
  }

  get state(): BreakerState {
    return this.#state
  }

  get available(): boolean {
    return this.#state === 'closed' || (this.#state === 'half_open' && !this.#probing)
  }

  acquire(): Permit {
    if (!this.available) return 0
    if (this.#state === 'half_open') this.#probing = true
    return this.#period
  }

  record(permit: Permit, outcome: Outcome, now: number): void {
    // From an earlier period: it says how the endpoint was, not how it is.
    if (permit !== this.#period) return
    if (outcome !== 'success' && !isFailure(outcome)) {
      this.#probing = false
      return
    }
    this.#rotate(now)
    if (outcome === 'success' && this.#state === 'closed') {
      // Changes no state, so it is only counted, and told when the count is next needed.
      this.#untold[0] = (this.#untold[0] ?? 0) + 1
      return
    }
    const circuit = (this.#circuit ??= this.#makeCircuit())
    this.#tell(circuit)
    // opossum has heard of it by the next turn of the microtask queue; the rejection is our own. Its timer, and who hears
    // of a change, are there for all requests.
    inOwnContext(() => void circuit.fire(outcome).catch(() => undefined))
  }

  close(): void {
    this.#circuit?.shutdown()
  }

  #makeCircuit(): CircuitBreaker<[Outcome], void> {
    const { volumeThreshold, errorThresholdPercentage, resetMs, windowMs } = this.#options
    const circuit = new CircuitBreaker(settle, {
      volumeThreshold,
      errorThresholdPercentage,
      resetTimeout: resetMs,
      rollingCountTimeout: windowMs,
      rollingCountBuckets: BUCKETS,
      // The call is over when opossum hears of it: its own timer, percentiles and snapshots have nothing to do,
      // and would cost two timers a breaker and a sort of all latencies at every failure.
      timeout: false,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      rotateBucketController: (this.#rotation = new EventEmitter()),
    })
    const enter = (state: BreakerState): void => {
      this.#state = state
      this.#period++
      this.#probing = false
      this.#report(state, state === 'open' ? resetMs : undefined)
    }
    circuit.on('open', () => enter('open'))
    circuit.on('halfOpen', () => enter('half_open'))
    circuit.on('close', () => enter('closed'))
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
