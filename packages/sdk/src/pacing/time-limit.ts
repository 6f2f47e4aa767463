import type { Clock, Timer } from '../clock.js'

/** A signal that aborts when its time is over by our own clock, or with another signal. */
export class TimeLimit {
  readonly #controller = new AbortController()
  readonly #clock: Clock
  readonly #timer: Timer
  readonly #parent: AbortSignal | undefined

  constructor(timeoutMs: number, clock: Clock, parent?: AbortSignal) {
    this.#clock = clock
    this.#timer = clock.setTimer(this.#abort, timeoutMs)
    // Not AbortSignal.any: what that makes of a signal that lives long lives as long, in Node 20.
    this.#parent = parent
    parent?.addEventListener('abort', this.#abort)
    if (parent?.aborted === true) this.#abort()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** It is not needed any more: leaves no timer and no listener, and does not abort. */
  clear(): void {
    this.#clock.clearTimer(this.#timer)
    this.#parent?.removeEventListener('abort', this.#abort)
  }

  readonly #abort = (): void => {
    this.clear()
    this.#controller.abort()
  }
}
