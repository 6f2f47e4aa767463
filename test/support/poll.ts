import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

/** What to wait for, and how long. */
export interface EventuallyOptions {
  /** Completes the sentence "waited 30000 ms for …". */
  readonly what: string
  /** A bound for what hangs, not a measure of speed. @defaultValue 30_000 */
  readonly deadlineMs?: number
  /** Ends the wait early; the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

export type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>

// Short against anything a test waits for, long enough to leave the cores to the processes under test.
const intervalMs = 20

/**
 * Polls until `probe` gives something truthy, and resolves with that. A probe that throws counts as "not yet".
 * Rejects at the deadline, even if the probe hangs, with the last value or error in the message.
 */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  { what, deadlineMs = 30_000, signal }: EventuallyOptions,
): Promise<Truthy<T>> {
  const late = new AbortController()
  const deadline = setTimeout(() => late.abort(), deadlineMs)
  const over = AbortSignal.any(signal === undefined ? [late.signal] : [late.signal, signal])
  const expired = (): boolean => over.aborted
  const ended = once(over, 'abort').then(() => undefined)
  let last = 'no answer'
  try {
    while (!expired()) {
      try {
        const value = await Promise.race([probe(), ended])
        if (value) return value as Truthy<T>
        if (!expired()) last = String(value)
      } catch (error) {
        last = describe(error)
      }
      await Promise.race([delay(intervalMs), ended])
    }
  } finally {
    clearTimeout(deadline)
  }
  signal?.throwIfAborted()
  throw new Error(`waited ${deadlineMs} ms for ${what}; last: ${last}`)
}

// `fetch` says only "fetch failed"; what failed is its cause.
function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return `${String(error)}${cause}`
}
