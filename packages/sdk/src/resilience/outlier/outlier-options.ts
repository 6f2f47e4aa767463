import * as v from 'valibot'
import {
  amount,
  count,
  countOrFalse,
  group,
  LONGEST_MS,
  milliseconds,
  orFalse,
} from '../../validation/schemas.js'

/** Success rates compared: an endpoint is ejected whose rate stands out from that of the others. */
export interface SuccessRateEjectionOptions {
  /** How many standard deviations below the mean of all. Default 1.9 (Envoy and gRPC write 1900). */
  readonly stdevFactor?: number | undefined
  /** Endpoints with enough requests that it takes to compare. Default 5. */
  readonly minimumHosts?: number | undefined
  /** Requests to an endpoint within an interval that it takes for its rate to mean anything. Default 100. */
  readonly requestVolume?: number | undefined
}

/** Failures counted: an endpoint is ejected of which so many fail. */
export interface FailurePercentageEjectionOptions {
  /** From this share of failures on, in percent. Default 85. */
  readonly threshold?: number | undefined
  /** Endpoints with enough requests that it takes. Default 5. */
  readonly minimumHosts?: number | undefined
  /** Requests to an endpoint within an interval that it takes. Default 50. */
  readonly requestVolume?: number | undefined
}

/**
 * Outlier detection: an endpoint that fails while its peers do not is ejected, that is sent nothing for some time. Names
 * and values are those of Envoy's `outlier_detection` and of gRPC's A50 where they agree.
 */
export interface OutlierDetectionOptions {
  /** How often rates are compared, in milliseconds. Default 10,000. */
  readonly intervalMs?: number | undefined
  /**
   * Failures in a row by which it is ejected at once: statuses 502, 503 and 504, and no response. `false`: never by them.
   * Default 5.
   */
  readonly consecutiveGatewayFailure?: number | false | undefined
  /** The same of failures without a response: refused, reset, timed out. Default 5. */
  readonly consecutiveLocalOriginFailure?: number | false | undefined
  /** `false`: never by its success rate. */
  readonly successRateEjection?: SuccessRateEjectionOptions | false | undefined
  /** `false`: never by its share of failures. */
  readonly failurePercentageEjection?: FailurePercentageEjectionOptions | false | undefined
  /** How long the first time, in milliseconds, and so much longer each time; one less for each interval without. Default 30,000. */
  readonly baseEjectionTimeMs?: number | undefined
  /** How long at the very most, in milliseconds. Default 300,000. */
  readonly maxEjectionTimeMs?: number | undefined
  /** Up to so many milliseconds more, by chance, so that clients do not return in step. Default 5,000. */
  readonly maxEjectionTimeJitterMs?: number | undefined
  /**
   * Of the endpoints in use, at most this share is ejected or unavailable otherwise, in percent, rounded down; one may
   * always be, and one is always kept. Default 50.
   */
  readonly maxEjectionPercent?: number | undefined
}

/** {@link OutlierDetectionOptions} with every default in its place. */
export interface OutlierDetectionSettings extends RunSettings, EjectionSettings {
  readonly intervalMs: number
  readonly successRateEjection: SuccessRateSettings | false
  readonly failurePercentageEjection: FailurePercentageSettings | false
  readonly maxEjectionPercent: number
}

/** Failures in a row. */
export interface RunSettings {
  readonly consecutiveGatewayFailure: number | false
  readonly consecutiveLocalOriginFailure: number | false
}

/** For how long, in milliseconds. */
export interface EjectionSettings {
  readonly intervalMs: number
  readonly baseEjectionTimeMs: number
  readonly maxEjectionTimeMs: number
  readonly maxEjectionTimeJitterMs: number
}

export interface SuccessRateSettings {
  readonly stdevFactor: number
  readonly minimumHosts: number
  readonly requestVolume: number
}

export interface FailurePercentageSettings {
  /** In percent. */
  readonly threshold: number
  readonly minimumHosts: number
  readonly requestVolume: number
}

const portion = amount(1, 100, 'a number of percent from 1 to 100, such as 50 for one half')

/** As `outlierDetection` of a client says it. */
export const outlierDetectionSchema: v.GenericSchema<
  OutlierDetectionOptions | false,
  OutlierDetectionSettings | false
> = orFalse(
  group({
    intervalMs: v.optional(milliseconds(100, LONGEST_MS), 10_000),
    consecutiveGatewayFailure: v.optional(countOrFalse(1, 1e6), 5),
    consecutiveLocalOriginFailure: v.optional(countOrFalse(1, 1e6), 5),
    successRateEjection: v.optional(
      orFalse(
        group({
          stdevFactor: v.optional(
            amount(
              0.1,
              10,
              'a number of standard deviations from 0.1 to 10, such as 1.9 (Envoy writes 1900)',
            ),
            1.9,
          ),
          minimumHosts: v.optional(count(2, 1e6), 5),
          requestVolume: v.optional(count(1, 1e6), 100),
        }),
      ),
      {},
    ),
    failurePercentageEjection: v.optional(
      orFalse(
        group({
          threshold: v.optional(portion, 85),
          minimumHosts: v.optional(count(2, 1e6), 5),
          requestVolume: v.optional(count(1, 1e6), 50),
        }),
      ),
      {},
    ),
    baseEjectionTimeMs: v.optional(milliseconds(1, LONGEST_MS), 30_000),
    maxEjectionTimeMs: v.optional(milliseconds(1, LONGEST_MS), 300_000),
    maxEjectionTimeJitterMs: v.optional(milliseconds(0, LONGEST_MS), 5000),
    maxEjectionPercent: v.optional(portion, 50),
  }),
)
