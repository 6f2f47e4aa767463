/** How a blocking query waits. */
export interface Waiting {
  /** For an answer with a higher one than this. */
  readonly index: number
  /** So long at most, in milliseconds. */
  readonly waitMs: number
}

// For an answer that does not block, and for the network on top of one that does. Without a leader a server holds
// every query for up to 7 s (rpc_hold_timeout) before it says so.
const ANSWER_TIMEOUT_MS = 10_000

/** How long to wait for an answer: the agent holds a query up to wait + wait/16, its stagger (features/blocking). */
export function answerTimeoutMs(waiting: Waiting | undefined): number {
  return (waiting === undefined ? 0 : (waiting.waitMs * 17) / 16) + ANSWER_TIMEOUT_MS
}

/**
 * A server that has just come back may lead before it has read its log to the end: for moments it gives the state of
 * long ago, an empty list among them, as the truth. So what is older than what we know has to be said twice, with
 * this time in between, in milliseconds; where data is really lost, that comes through a second later. A server reads
 * the rest of its log within milliseconds.
 */
export const CONFIRM_MS = 1000

/**
 * Where a series of blocking queries stands.
 * Source: Consul's documentation, features/blocking.
 */
export class BlockingIndex {
  #next = 0
  #newest = 0
  #doubted = false

  /** How the next query waits; undefined: it does not. */
  waiting(waitMs: number): Waiting | undefined {
    return this.#next > 0 ? { index: this.#next, waitMs } : undefined
  }

  /**
   * Takes in the index of an answer.
   *
   * @returns False: the answer is older than what is known, for the first time, and has to be asked for again.
   */
  take(answered: number | undefined): boolean {
    // "Sanity check index is greater than zero" (use 1, which is always safe).
    this.#next = answered === undefined ? 0 : Math.max(answered, 1)
    this.#doubted = !this.#doubted && (answered ?? 0) < this.#newest
    // "Reset the index if it goes backwards."
    if (this.#doubted) this.#next = 0
    else this.#newest = answered ?? 0
    return !this.#doubted
  }

  /** The next query must not wait: the agent may have restarted, with another index. */
  reset(): void {
    this.#next = 0
  }
}
