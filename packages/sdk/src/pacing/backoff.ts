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
  const ceiling = ceilingOf(failures, options)
  return ceiling / 2 + (ceiling / 2) * random.next()
}

/**
 * The same with full jitter, between nothing and all of it: for requests that somebody waits for.
 *
 * @param failures Failures in a row, 1 or more.
 * @returns Milliseconds.
 */
export function fullJitterDelay(failures: number, options: BackoffOptions, random: Random): number {
  return ceilingOf(failures, options) * random.next()
}

function ceilingOf(failures: number, { baseMs, maxMs }: BackoffOptions): number {
  return Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30))
}
