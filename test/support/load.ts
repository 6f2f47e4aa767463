import { setImmediate as nextTurn } from 'node:timers/promises'

/** Load that runs until it is stopped. */
export interface Load {
  readonly succeeded: number
  readonly failures: readonly Error[]
  /** Starts no more; resolves when those in flight have ended. */
  stop(): Promise<void>
}

/**
 * A closed loop: `inFlight` callers, each of which sends its next request when the last has ended.
 * @param send Sends request number `index`; rejects if it failed.
 */
export function startLoad(send: (index: number) => Promise<void>, inFlight = 16): Load {
  const failures: Error[] = []
  let succeeded = 0
  let sent = 0
  let stopped = false
  const isStopped = (): boolean => stopped
  const caller = async (): Promise<void> => {
    while (!isStopped()) {
      try {
        await send(sent++)
        succeeded += 1
      } catch (error) {
        failures.push(error instanceof Error ? error : new Error(String(error)))
        // What fails at once must not keep the process from everything else.
        await nextTurn()
      }
    }
  }
  const callers = Promise.all(Array.from({ length: inFlight }, caller))
  return {
    get succeeded() {
      return succeeded
    },
    failures,
    async stop() {
      stopped = true
      await callers
    },
  }
}
