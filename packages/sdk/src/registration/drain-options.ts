import * as v from 'valibot'
import { count, group, LONGEST_MS, milliseconds } from '../validation/schemas.js'
import { checked } from '../validation/checked.js'

/** How an instance leaves. */
export interface DrainOptions {
  /**
   * Finishes what is in flight; called when clients send nothing new any more. `signal` aborts at the deadline, after
   * which it is not waited for. Default: there is nothing in flight.
   */
  readonly finish?: ((signal: AbortSignal) => Promise<unknown>) | undefined
  /** For all of it but deregistering, in milliseconds. Default 25,000: Kubernetes kills 30 s after its SIGTERM. */
  readonly deadlineMs?: number | undefined
  /** For Consul to take the maintenance and to show it to clients, in milliseconds. Default 5,000. */
  readonly confirmMs?: number | undefined
  /** From then on, for clients to act on it, in milliseconds. Default 1,000. */
  readonly settleMs?: number | undefined
}

export interface ParsedDrainOptions {
  readonly finish: (signal: AbortSignal) => Promise<unknown>
  readonly deadlineMs: number
  readonly confirmMs: number
  readonly settleMs: number
}

const delay = count(0, LONGEST_MS)
const schema = group({
  finish: v.optional(
    v.custom<(signal: AbortSignal) => Promise<unknown>>(
      (value) => typeof value === 'function',
      'a function that returns a promise',
    ),
    () => () => Promise.resolve(),
  ),
  deadlineMs: v.optional(milliseconds(1, LONGEST_MS), 25_000),
  // With a leader it takes milliseconds; one that is lost is replaced in 2.4 to 4 s (measured, three servers).
  confirmMs: v.optional(delay, 5000),
  // Our clients ask four times a second at most: one such pause, and as much again thrice for a slow server's or
  // machine's sake.
  settleMs: v.optional(delay, 1000),
})

/** @throws FairleadError `INVALID_OPTION` */
export function parseDrain(options: unknown): ParsedDrainOptions {
  return checked(schema, options)
}
