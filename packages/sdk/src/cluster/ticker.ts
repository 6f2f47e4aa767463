import type { Clock, Timer } from '../clock.js'

/** How often what changes with time is looked at: gRPC's update period of weights, 1 s. */
const PERIOD_MS = 1000

/** Calls back once a second, from `start` to `stop`. */
export class Ticker {
  readonly #clock: Clock
  readonly #onTick: () => void
  #timer: Timer | undefined

  constructor(clock: Clock, onTick: () => void) {
    this.#clock = clock
    this.#onTick = onTick
  }

  /** Does nothing where it has begun already. */
  start(): void {
    this.#timer ??= this.#clock.setTimer(() => {
      this.#timer = undefined
      this.start()
      this.#onTick()
    }, PERIOD_MS)
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
  }
}
