import * as v from 'valibot'
import { amount, group, LONGEST_MS, milliseconds, orFalse } from '../../validation/schemas.js'

/** When the silence of an endpoint that owes answers is a stall. */
export interface StallOptions {
  /**
   * A shorter silence is none, in milliseconds. Default 250: one lost packet costs 200 (the least retransmission timeout
   * of Linux), and most pauses of a garbage collector less.
   */
  readonly minSilenceMs?: number | undefined
  /** Nor is one below this many times the 99th percentile of recent latency. Default 3. */
  readonly latencyFactor?: number | undefined
}

/** {@link StallOptions} with every default in its place. */
export interface StallSettings {
  readonly minSilenceMs: number
  readonly latencyFactor: number
}

/** As `stallDetection` of a client says it. */
export const stallSchema: v.GenericSchema<StallOptions | false, StallSettings | false> = orFalse(
  group({
    minSilenceMs: v.optional(milliseconds(50, LONGEST_MS), 250),
    latencyFactor: v.optional(amount(1, 1000, 'a number from 1 to 1000'), 3),
  }),
)
