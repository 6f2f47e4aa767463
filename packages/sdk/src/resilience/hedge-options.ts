import * as v from 'valibot'
import { amount, group, milliseconds, orFalse, LONGEST_MS } from '../validation/schemas.js'

/**
 * When a request that has no response head yet is sent to a second endpoint as well: the first response is the caller's,
 * and the other attempt is cancelled. Only for requests that may be sent again, and within the retry budget.
 */
export interface HedgeOptions {
  /** After so many milliseconds. Default: after the `percentile` of recent latency. */
  readonly afterMs?: number | undefined
  /** Of the time to the response head in the last 30 to 60 seconds, of all endpoints; 50 to 99.9. Default 95. */
  readonly percentile?: number | undefined
  /** Not before so many milliseconds, whatever the percentile is. Default 1. */
  readonly minMs?: number | undefined
}

/** {@link HedgeOptions} with every default in its place. */
export type HedgeSettings =
  | { readonly afterMs: number }
  | { readonly afterMs: undefined; readonly percentile: number; readonly minMs: number }

/** As `hedge` of a client or a route says it; undefined: none. */
export const hedgeSchema: v.GenericSchema<HedgeOptions | false, HedgeSettings | undefined> = v.pipe(
  orFalse(
    group({
      afterMs: v.optional(milliseconds(1, LONGEST_MS)),
      percentile: v.optional(amount(50, 99.9, 'a number of percent from 50 to 99.9')),
      minMs: v.optional(milliseconds(1, LONGEST_MS)),
    }),
  ),
  v.check(
    (option) =>
      option === false ||
      option.afterMs === undefined ||
      (option.percentile === undefined && option.minMs === undefined),
    'either { afterMs } or { percentile, minMs }',
  ),
  v.transform((option): HedgeSettings | undefined => {
    if (option === false) return undefined
    const { afterMs, percentile = 95, minMs = 1 } = option
    return afterMs === undefined ? { afterMs, percentile, minMs } : { afterMs }
  }),
)
