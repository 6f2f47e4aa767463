import type { Clock } from '@fairlead/sdk'
import type { Breaker, BreakerFactory, BreakerState, Outcome, Permit } from '#sdk/resilience/breaker.js'

export interface CircuitOptions {
  readonly volumeThreshold: number
  readonly errorThresholdPercentage: number
  readonly windowMs: number
  readonly resetMs: number
}

/** The defaults of `createClient`. */
export const CIRCUIT: CircuitOptions = {
  volumeThreshold: 20,
  errorThresholdPercentage: 50,
  windowMs: 10_000,
  resetMs: 5000,
}

const BUCKETS = 10

/**
 * The SDK's circuit breaker without opossum, which waits by the machine's own timers and hears of a failure a
 * microtask later. Its test puts both through the same and compares them.
 */
export function simCircuit(options: CircuitOptions, clock: Clock): BreakerFactory {
  return (report, now) => new SimCircuit(options, clock, report, now)
}

class SimCircuit implements Breaker {
  state: BreakerState = 'closed'
  readonly #options: CircuitOptions
  readonly #clock: Clock
  readonly #report: (state: BreakerState) => void
  readonly #bucketMs: number
  /** The present bucket first. */
  readonly #requests = new Array<number>(BUCKETS).fill(0)
  readonly #failures = new Array<number>(BUCKETS).fill(0)
  #rotatedAt: number
  #period: Permit = 1
  #probing = false

  constructor(options: CircuitOptions, clock: Clock, report: (state: BreakerState) => void, now: number) {
    this.#options = options
    this.#clock = clock
    this.#report = report
    this.#bucketMs = options.windowMs / BUCKETS
    this.#rotatedAt = now
  }

  get available(): boolean {
    return this.state === 'closed' || (this.state === 'half_open' && !this.#probing)
  }

  acquire(): Permit {
    if (!this.available) return 0
    if (this.state === 'half_open') this.#probing = true
    return this.#period
  }

  record(permit: Permit, outcome: Outcome, now: number): void {
    if (permit !== this.#period) return
    if (outcome === 'ignored') {
      this.#probing = false
      return
    }
    this.#rotate(now)
    this.#requests[0] = (this.#requests[0] ?? 0) + 1
    if (outcome === 'failure') {
      this.#failures[0] = (this.#failures[0] ?? 0) + 1
      if (this.state === 'half_open' || this.#tooMany()) this.#open()
    } else if (this.state === 'half_open') {
      this.#enter('closed')
    }
  }

  close(): void {
    this.#period++
  }

  #tooMany(): boolean {
    const requests = sum(this.#requests)
    const { volumeThreshold, errorThresholdPercentage } = this.#options
    return requests >= volumeThreshold && (sum(this.#failures) / requests) * 100 > errorThresholdPercentage
  }

  #open(): void {
    this.#enter('open')
    this.#clock.setTimer(() => this.#enter('half_open'), this.#options.resetMs)
  }

  #enter(state: BreakerState): void {
    this.state = state
    this.#period++
    this.#probing = false
    this.#report(state)
  }

  #rotate(now: number): void {
    const passed = Math.floor((now - this.#rotatedAt) / this.#bucketMs)
    this.#rotatedAt += passed * this.#bucketMs
    for (let bucket = Math.min(passed, BUCKETS); bucket > 0; bucket--) {
      for (const counts of [this.#requests, this.#failures]) {
        counts.pop()
        counts.unshift(0)
      }
    }
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
