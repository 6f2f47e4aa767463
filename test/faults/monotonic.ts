import { setTimeout as delay } from 'node:timers/promises'

/**
 * Milliseconds of the machine's monotonic clock (CLOCK_MONOTONIC on Linux), which all its processes share: what one of
 * them has seen can be put beside what another has done.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Resolves at `time` of {@link monotonicMs}, at once where it has passed. */
export async function until(time: number): Promise<void> {
  const left = time - monotonicMs()
  if (left > 0) await delay(left)
}
