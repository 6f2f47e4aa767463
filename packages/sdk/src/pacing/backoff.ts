import type { Random } from '../random.js'

export interface BackoffOptions {
  /** Longest first delay, in milliseconds. */
  readonly baseMs: number
  /** Longest delay of all, in milliseconds. */
  readonly maxMs: number
}

/**
 * Exponential backoff with equal jitter: between half and all of min(max, base x 2^(failures - 1)).
 * The jitter keeps a fleet from asking in step; the half keeps one client from asking at once.
 * Source: Brooker, Exponential Backoff and Jitter (AWS Architecture Blog, 2015).
 *
 * @param failures Failures in a row, 1 or more.
 * @returns Milliseconds.
 */
export function backoffDelay(failures: number, options: BackoffOptions, random: Random): number {
  const ceiling = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(failures - 1, 30))
  return ceiling / 2 + (ceiling / 2) * random.next()
}
