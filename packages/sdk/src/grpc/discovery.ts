import type { ClientParts } from '../client.js'
import type { Timer } from '../clock.js'

/** The wait of calls for discovery's first word, each for no longer than the client's `timeoutMs`. */
export class Discovery {
  readonly #parts: ClientParts
  readonly #onNews: () => void
  #timer: Timer | undefined
  #forget: (() => void) | undefined

  /** @param onNews It has answered, or the time of a call is over. */
  constructor(parts: ClientParts, onNews: () => void) {
    this.#parts = parts
    this.#onNews = onNews
  }

  /**
   * A call waits on. False: its time is over.
   *
   * @param since When it began to, in the clock's milliseconds.
   */
  await(since: number): boolean {
    const { cluster, policy, clock } = this.#parts
    const leftMs = since + policy.current.timeoutMs - clock.now()
    if (leftMs <= 0) return false
    if (this.#forget !== undefined) return true
    // One that is idle has to find out anew.
    cluster.follow()
    this.#forget = cluster.onResolved(this.#over)
    if (leftMs < Infinity) this.#timer = clock.setTimer(this.#over, leftMs)
    return true
  }

  stop(): void {
    this.#forget?.()
    this.#forget = undefined
    if (this.#timer !== undefined) this.#parts.clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  readonly #over = (): void => {
    this.stop()
    this.#onNews()
  }
}
