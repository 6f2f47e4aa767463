import { isDeepStrictEqual } from 'node:util'
import { inBackground, isAborted, sleep, type Clock } from '../clock.js'
import { asError } from '../errors.js'
import { orAborted } from '../pacing/or-aborted.js'
import type { ResolverEvent, Snapshot } from './resolver.js'

/** What one poll of the source gave. */
export interface PollResult {
  /** Undefined: nothing that can be relied on yet. */
  readonly snapshot: Snapshot | undefined
  /** From now to the next poll, in milliseconds. */
  readonly nextMs: number
}

export interface PollingOptions {
  /** Polls once. Throws what is wrong with the source, in words for an operator. May ignore the signal. */
  readonly read: (signal: AbortSignal) => Promise<PollResult>
  /** From a failed poll to the next, after so many failures in a row, in milliseconds. */
  readonly retryMs: (failures: number) => number
  readonly clock: Clock
}

/**
 * Follows a source that does not announce its changes: polls it, and gives what has changed. The pauses between two polls
 * keep no process alive.
 */
export async function* poll(
  { read, retryMs, clock }: PollingOptions,
  signal: AbortSignal,
): AsyncGenerator<ResolverEvent, void, undefined> {
  const background = inBackground(clock)
  let last: Snapshot | undefined
  let fault: Error | undefined
  let failures = 0
  while (!isAborted(signal)) {
    let waitMs: number
    try {
      const result = await orAborted(read(signal), signal)
      if (result === undefined) return
      waitMs = result.nextMs
      const { snapshot } = result
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
