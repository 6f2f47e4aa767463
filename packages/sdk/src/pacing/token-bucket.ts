import { sleep, type Clock } from '../clock.js'

export interface TokenBucketOptions {
  /** Tokens at most, and at the start. */
  readonly capacity: number
  /** Tokens that come back each second. */
  readonly perSecond: number
}

/** Bounds how often something happens, whatever the other side does; a full bucket lets a burst through. */
export class TokenBucket {
  readonly #options: TokenBucketOptions
  readonly #clock: Clock
  #tokens: number
  #filledAt: number

  constructor(options: TokenBucketOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    this.#tokens = options.capacity
    this.#filledAt = clock.now()
  }

  /** Takes a token, after waiting for one if need be; returns early when `signal` aborts. */
  async take(signal: AbortSignal): Promise<void> {
    this.#fill()
    if (this.#tokens < 1) {
      await sleep(this.#clock, ((1 - this.#tokens) / this.#options.perSecond) * 1000, signal)
      this.#fill()
    }
    this.#tokens--
  }

  #fill(): void {
    const now = this.#clock.now()
    const earned = ((now - this.#filledAt) / 1000) * this.#options.perSecond
    this.#tokens = Math.min(this.#options.capacity, this.#tokens + earned)
    this.#filledAt = now
  }
}
