import { isDeepStrictEqual } from 'node:util'
import { inBackground, isAborted, sleep, type Clock } from '../clock.js'
import { asError } from '../errors.js'
import type { ResolverEvent, Snapshot } from './resolver.js'

/** What a look at the source brought. */
export interface Look {
  /** Undefined: nothing to be believed yet. */
  readonly snapshot: Snapshot | undefined
  /** When to look again, in milliseconds. */
  readonly againMs: number
}

export interface PollingOptions {
  /** Throws what is wrong with the source, in words for an operator. Need not heed the signal. */
  readonly look: (signal: AbortSignal) => Promise<Look>
  /** When to look again after a number of failures in a row, in milliseconds. */
  readonly retryMs: (failures: number) => number
  readonly clock: Clock
}

/**
 * Follows a source that does not tell of changes: looks again and again, and gives what has changed. The pauses between
 * two looks keep no process alive.
 */
export async function* poll(
  { look, retryMs, clock }: PollingOptions,
  signal: AbortSignal,
): AsyncGenerator<ResolverEvent, void, undefined> {
  const background = inBackground(clock)
  let last: Snapshot | undefined
  let fault: Error | undefined
  let failures = 0
  while (!isAborted(signal)) {
    let waitMs: number
    try {
      const seen = await orAborted(look(signal), signal)
      if (seen === undefined) return
      waitMs = seen.againMs
      const { snapshot } = seen
      if (snapshot !== undefined) {
        // Equal answers cause no event, unless they end an outage.
        const news = fault !== undefined || !isDeepStrictEqual(snapshot, last)
        last = snapshot
        fault = undefined
        failures = 0
        if (news) yield snapshot
      }
    } catch (thrown) {
      if (isAborted(signal)) return
      failures++
      waitMs = retryMs(failures)
      const cause = asError(thrown)
      const news = cause.message !== fault?.message
      fault = cause
      if (news) yield { kind: 'stale', cause }
    }
    await sleep(background, waitMs, signal)
  }
}

/** What the promise gives, or undefined as soon as the signal aborts: what comes of it later concerns nobody. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
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
