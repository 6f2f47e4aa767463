import type { AnswerHead } from '../../consul/answer-head.js'

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
 * What an answer is worth by its index alone.
 * - `whole`: all there is to know now.
 * - `older`: than what is known, for the first time; it has to be queried again after {@link CONFIRM_MS}.
 * - `unconfirmed`: from a stream that has brought nothing since it was asked; the servers have to be asked, at once.
 */
export type Standing = 'whole' | 'older' | 'unconfirmed'

/**
 * Where a series of blocking queries stands.
 * Source: Consul's documentation, features/blocking.
 */
export class BlockingIndex {
  #next = 0
  #newest = 0
  #wentBack = false

  /** How the next query waits; undefined: it does not. */
  waiting(waitMs: number): Waiting | undefined {
    return this.#next > 0 ? { index: this.#next, waitMs } : undefined
  }

  /** Takes in an answer. @param streamed It is from the view of a stream; see {@link AnswerHead}. */
  take({ index: answered, streamed }: Pick<AnswerHead, 'index' | 'streamed'>): Standing {
    if (streamed && this.#next > 0 && (answered ?? 0) <= this.#next) {
      // A wait that ended with nothing new. Consul answers it from what the view holds at that moment, which is nothing
      // while the view is made anew (after a change of ACLs, or of the server that it follows), under the index of
      // before; its index is not that of other answers, which count all services where there is none of that name; and
      // a view goes on although its token has been deleted, if that was within its first moments. So what ends a wait
      // is no more than the occasion to ask the servers (agent/submatview/materializer.go of 1.13.9, query; measured).
      this.#next = 0
      return 'unconfirmed'
    }
    // "Sanity check index is greater than zero" (use 1, which is always safe).
    this.#next = answered === undefined ? 0 : Math.max(answered, 1)
    this.#wentBack = !this.#wentBack && (answered ?? 0) < this.#newest
    // "Reset the index if it goes backwards."
    if (this.#wentBack) this.#next = 0
    else this.#newest = answered ?? 0
    return this.#wentBack ? 'older' : 'whole'
  }

  /** The next query must not wait: the agent may have restarted, with another index. */
  reset(): void {
    this.#next = 0
  }
}
