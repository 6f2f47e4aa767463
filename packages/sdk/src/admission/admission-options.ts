import * as v from 'valibot'
import { invalidOption } from '../validation/invalid-option.js'
import {
  count,
  flag,
  group,
  LONGEST_MS,
  millisecondsOrInfinity,
  amount,
  orFalse,
} from '../validation/schemas.js'
import type { Gradient2Settings } from './gradient2.js'

/** How many calls a client lets go at once, and what becomes of those above. */
export interface AdmissionOptions {
  /**
   * Requests in flight at most, of the whole client, each from its start to the end of its response, 1 to 1,000,000. With
   * `adaptive` the most that its limit rises to. Leases are not counted, nor limited: those of `acquire`, of gRPC and of
   * connect-node.
   */
  readonly maxConcurrent?: number | undefined
  /**
   * A limit that follows latency, by Netflix's Gradient2, in place of one that stays: `true` or an object of options.
   * Default `false`.
   */
  readonly adaptive?: AdaptiveConcurrencyOptions | boolean | undefined
  /** Calls above the limit wait in it, the most important first. `false`: they are shed at once. */
  readonly queue?: AdmissionQueueOptions | false | undefined
  /**
   * The header of a request that says how important it is, where its `priority` does not: a digit from 0, the most
   * important, to 7, alone or as `u=` of RFC 9218 (`priority: u=1`). It is sent on as it is. Default: none is read.
   */
  readonly priorityHeader?: string | undefined
}

/** The queue of calls above the limit. */
export interface AdmissionQueueOptions {
  /**
   * Calls that may be queued, 0 to 1,000,000. Where it is full the least important call is shed. Default 1,024: Envoy's
   * `max_pending_requests`.
   */
  readonly max?: number | undefined
  /**
   * A call that was queued for so long is shed, in milliseconds; its `timeoutMs` and its deadline run on meanwhile.
   * `Infinity`: only those count. Default 3,000: Linkerd's failfast timeout.
   */
  readonly timeoutMs?: number | undefined
}

/** The parameters of an adaptive limit, with Netflix's defaults. */
export interface AdaptiveConcurrencyOptions {
  /** The limit until the usual latency is known, from `minLimit` to `maxLimit`. Default 20, or the nearest of those. */
  readonly initialLimit?: number | undefined
  /** It does not fall below this, 1 to 1,000,000. Default 20, or `maxLimit` where that is less. */
  readonly minLimit?: number | undefined
  /** It does not rise above this, 1 to 1,000,000. Default `maxConcurrent`, else 200. */
  readonly maxLimit?: number | undefined
  /** As many calls may queue at the service, 1 to 1,000,000: what the limit rises by. Default 4. */
  readonly queueSize?: number | undefined
  /** Up to how many times its usual value latency is no sign of a queue, 1 to 10. Default 1.5. */
  readonly rttTolerance?: number | undefined
}

/** With every default in its place. */
export interface AdmissionSettings {
  /** One that stays, or an adaptive one. */
  readonly limit: number | Gradient2Settings
  readonly queue: { readonly max: number; readonly timeoutMs: number }
  /** In lower case. */
  readonly priorityHeader: string | undefined
}

/** Each part by itself is as it should be. */
interface CheckedAdmission {
  readonly maxConcurrent?: number | undefined
  readonly adaptive: AdaptiveConcurrencyOptions | boolean
  readonly queue: { readonly max: number; readonly timeoutMs: number } | false
  readonly priorityHeader?: string | undefined
}

const LARGEST = 1_000_000
// RFC 9110, 5.6.2.
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/

const adaptiveSchema = group({
  initialLimit: v.optional(count(1, LARGEST)),
  minLimit: v.optional(count(1, LARGEST)),
  maxLimit: v.optional(count(1, LARGEST)),
  queueSize: v.optional(count(1, LARGEST)),
  rttTolerance: v.optional(amount(1, 10, 'a number from 1 to 10')),
})

/** What is given for `admission`. */
export const admissionSchema: v.GenericSchema<AdmissionOptions | false, CheckedAdmission | false> = orFalse(
  group({
    maxConcurrent: v.optional(count(1, LARGEST)),
    adaptive: v.optional(v.union([flag, adaptiveSchema], 'true, false or an object of options'), false),
    queue: v.optional(
      orFalse(
        group({
          max: v.optional(count(0, LARGEST), 1024),
          timeoutMs: v.optional(millisecondsOrInfinity(1, LONGEST_MS), 3000),
        }),
      ),
      {},
    ),
    priorityHeader: v.optional(
      v.pipe(
        v.string("the name of a header, such as 'priority'"),
        v.regex(TOKEN, "the name of a header, such as 'priority'"),
      ),
    ),
  }),
)

/**
 * Checks how its parts go together. Undefined: there is no limit.
 *
 * @throws FairleadError `INVALID_OPTION`
 */
export function admissionOf(given: CheckedAdmission | false | undefined): AdmissionSettings | undefined {
  if (given === undefined || given === false) return undefined
  const { maxConcurrent, adaptive, queue, priorityHeader } = given
  const limit =
    adaptive === false ? maxConcurrent : gradientOf(adaptive === true ? {} : adaptive, maxConcurrent)
  if (limit === undefined)
    throw invalidOption(
      'admission.maxConcurrent',
      undefined,
      'a whole number from 1 to 1000000, unless admission.adaptive is true',
    )
  return {
    limit,
    queue: queue === false ? { max: 0, timeoutMs: Infinity } : queue,
    priorityHeader: priorityHeader?.toLowerCase(),
  }
}

function gradientOf(given: AdaptiveConcurrencyOptions, maxConcurrent: number | undefined): Gradient2Settings {
  const { maxLimit = maxConcurrent ?? 200, queueSize = 4, rttTolerance = 1.5 } = given
  const { minLimit = Math.min(20, maxLimit) } = given
  const { initialLimit = Math.min(Math.max(20, minLimit), maxLimit) } = given
  if (maxConcurrent !== undefined && maxLimit > maxConcurrent)
    throw invalidOption('admission.adaptive.maxLimit', maxLimit, `at most maxConcurrent, ${maxConcurrent}`)
  if (minLimit > maxLimit)
    throw invalidOption('admission.adaptive.minLimit', minLimit, `at most maxLimit, ${maxLimit}`)
  if (initialLimit < minLimit || initialLimit > maxLimit)
    throw invalidOption(
      'admission.adaptive.initialLimit',
      initialLimit,
      `from minLimit, ${minLimit}, to maxLimit, ${maxLimit}`,
    )
  return { initialLimit, minLimit, maxLimit, queueSize, rttTolerance }
}
