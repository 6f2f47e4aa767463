import type { Clock } from '../clock.js'

/**
 * Wakes the one who waits for it. What happens while there is no waiter is not lost: the next wait returns at once, and resets it.
 * So a loop that looks at its state and then waits misses no change of it.
 */
export class AutoResetEvent {
  #isSet = false
  #wake: (() => void) | undefined

  set(): void {
    this.#isSet = true
    this.#wake?.()
  }

  /** Forgets that it was set, for a loop that is about to look at everything anyway. */
  reset(): void {
    this.#isSet = false
  }

  /** Resolves when it is set, and resets it. One may wait at a time. */
  async wait(): Promise<void> {
    if (!this.#isSet) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#isSet = false
    this.#wake = undefined
  }

  /** The same, for `timeoutMs` milliseconds at most; a time that is over already is not waited for. */
  async waitAtMost(timeoutMs: number, clock: Clock): Promise<void> {
    if (timeoutMs <= 0) return
    if (this.#isSet) return this.wait()
    const timer = clock.setTimer(() => this.#wake?.(), timeoutMs)
    await this.wait()
    clock.clearTimer(timer)
  }
}
