/** How a blocking query waits. */
export interface Waiting {
  /** For an answer with a higher one than this. */
  readonly index: number
  /** So long at most, in milliseconds. */
  readonly waitMs: number
}

// For an answer that does not block, and for the network on top of one that does.
const ANSWER_TIMEOUT_MS = 10_000

/** How long to wait for an answer: the agent holds a query up to wait + wait/16, its stagger (features/blocking). */
export function answerTimeoutMs(waiting: Waiting | undefined): number {
  return (waiting === undefined ? 0 : (waiting.waitMs * 17) / 16) + ANSWER_TIMEOUT_MS
}

/**
 * What to wait on after an answer; 0: ask without waiting.
 * "Reset the index if it goes backwards"; "sanity check index is greater than zero" (use 1, which is always safe).
 */
export function nextIndex(previous: number, answered: number | undefined): number {
  if (answered === undefined || answered < previous) return 0
  return Math.max(answered, 1)
}
