import type { Clock } from '../clock.js'
import { TimeLimit } from './time-limit.js'

/**
 * What the promise gives, or undefined as soon as the signal aborts: how the promise ends after that is ignored. The signal
 * has no listener of ours afterwards, however long it lives.
 */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      signal.removeEventListener('abort', done)
      resolve(undefined)
    }
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
    promise.then(resolve, reject).finally(done)
  })
}

/** True when the work has ended, false when the signal has aborted before; rejects with the work. */
export async function hasEnded(work: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  return (
    (await orAborted(
      work.then(() => true),
      signal,
    )) === true
  )
}

/** Resolves when the work has ended, or after `timeoutMs` milliseconds; rejects with the work. */
export async function atMost(timeoutMs: number, work: Promise<unknown>, clock: Clock): Promise<void> {
  const limit = new TimeLimit(timeoutMs, clock)
  try {
    await orAborted(work, limit.signal)
  } finally {
    limit.clear()
  }
}
