import type { Clock, Timer } from '../clock.js'

// As long as a timer of Node can be set for.
const LONGEST_DELAY_MS = 2 ** 31 - 1

/**
 * Keeps the process alive while something is awaited that only background work can bring. Most waits have a
 * deadline, and its timer does the same; one whose `timeoutMs` is `Infinity` has none.
 */
export class ProcessHold {
  readonly #clock: Clock
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  begin(): void {
    this.#timer ??= this.#clock.setTimer(() => {
      this.#timer = undefined
      this.begin()
    }, LONGEST_DELAY_MS)
  }

  end(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
  }
}
