import * as v from 'valibot'
import { amount, count, group, LONGEST_MS, millisecondsOrInfinity, orFalse } from '../validation/schemas.js'

/** When a request is sent again, of all requests or of those of a route. */
export interface RetryRules {
  /** Attempts in all, the first included, 1 to 10. Default 2: one retry, on another endpoint. */
  readonly attempts?: number | undefined
  /**
   * Responses with these statuses are not handed on while another endpoint can be asked: to requests that are idempotent
   * and have a body that can be sent again, within the budget. 400 to 599. Default 502, 503 and 504; a 500 may have done
   * something.
   */
  readonly statuses?: readonly number[] | undefined
  /**
   * An attempt that has no response head after so many milliseconds is given up for another one elsewhere, if its request
   * may be sent again. Default `Infinity`: the deadline of the request is the only limit.
   */
  readonly perTryTimeoutMs?: number | undefined
  /**
   * A response whose `Content-Length` is at most this is handed on when it is whole, so that one that is cut short is
   * asked for elsewhere. In bytes, 0 to 16,777,216; for requests that may be sent again. Default 0: a response is handed on
   * with the first byte of its body, and one that is cut before that is asked for elsewhere.
   */
  readonly holdBytes?: number | undefined
}

/** When and how often a request is sent again, and the budget that keeps retries from multiplying an outage. */
export interface RetryOptions extends RetryRules {
  /**
   * A header that tells endpoints which attempt of its request this is: 1, 2 and so on, such as
   * `x-envoy-attempt-count`. Default: none.
   */
  readonly attemptHeader?: string | undefined
  /**
   * Retries, hedges and probes allowed for each request of the last 10 s, 0 to 1, of all clients of one service in the
   * process. Default 0.2.
   */
  readonly budgetRatio?: number | undefined
  /** As many a second are allowed whatever the traffic, 0 or more. Default 10. */
  readonly budgetMinPerSecond?: number | undefined
}

/** {@link RetryRules} with every default in its place. */
export interface RetryRuleSettings {
  readonly attempts: number
  readonly statuses: readonly number[]
  readonly perTryTimeoutMs: number
  readonly holdBytes: number
}

/** {@link RetryOptions} with every default in its place. */
export interface RetrySettings extends RetryRuleSettings {
  readonly attemptHeader: string | undefined
  readonly budgetRatio: number
  readonly budgetMinPerSecond: number
}

const BUDGET_RATIO = 0.2
const BUDGET_MIN_PER_SECOND = 10
const STATUSES: readonly number[] = Object.freeze([502, 503, 504])

/** `retry: false`. The rest is for the routes that have retries all the same, and for hedges and probes. */
export const ONE_ATTEMPT: RetrySettings = Object.freeze({
  attempts: 1,
  statuses: STATUSES,
  perTryTimeoutMs: Infinity,
  holdBytes: 0,
  attemptHeader: undefined,
  budgetRatio: BUDGET_RATIO,
  budgetMinPerSecond: BUDGET_MIN_PER_SECOND,
})

const HEADER_NAME = 'the name of a header that means nothing else, such as x-envoy-attempt-count'
// RFC 9110, 5.6.2.
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/
// What frames a message or is of one hop: written by the connection.
const TAKEN: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const attempts = count(1, 10)
const statuses = v.array(count(400, 599), 'an array of statuses from 400 to 599, such as [502, 503, 504]')
const perTryTimeoutMs = millisecondsOrInfinity(1, LONGEST_MS)
const holdBytes = count(0, 2 ** 24)

const headerName = v.pipe(
  v.string(HEADER_NAME),
  v.regex(TOKEN, HEADER_NAME),
  v.check((name) => !TAKEN.has(name.toLowerCase()), HEADER_NAME),
)

/** As `retry` of a client says it. */
export const retrySchema: v.GenericSchema<RetryOptions | false, RetrySettings> = v.pipe(
  orFalse(
    group({
      attempts: v.optional(attempts, 2),
      statuses: v.optional(statuses, [...STATUSES]),
      perTryTimeoutMs: v.optional(perTryTimeoutMs, Infinity),
      holdBytes: v.optional(holdBytes, 0),
      attemptHeader: v.optional(headerName),
      budgetRatio: v.optional(amount(0, 1, 'a number from 0 to 1'), BUDGET_RATIO),
      budgetMinPerSecond: v.optional(amount(0, 1e6, 'a number, 0 or more'), BUDGET_MIN_PER_SECOND),
    }),
  ),
  v.transform((option) =>
    option === false ? ONE_ATTEMPT : { ...option, attemptHeader: option.attemptHeader },
  ),
)

/** As `retry` of a route says it: what it does not say is as for the client. */
export const retryRulesSchema: v.GenericSchema<RetryRules | false, Partial<RetryRuleSettings>> = v.pipe(
  orFalse(
    group({
      attempts: v.optional(attempts),
      statuses: v.optional(statuses),
      perTryTimeoutMs: v.optional(perTryTimeoutMs),
      holdBytes: v.optional(holdBytes),
    }),
  ),
  v.transform((option) => (option === false ? { attempts: 1 } : onlyGiven(option))),
)

/** What is `undefined` would hide what the client has. */
function onlyGiven(rules: RetryRules): Partial<RetryRuleSettings> {
  return Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined))
}
