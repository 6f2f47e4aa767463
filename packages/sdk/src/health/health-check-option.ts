import * as v from 'valibot'
import { amount, count, flag, group, LONGEST_MS, milliseconds } from '../validation/schemas.js'

/** When endpoints are checked, and how many checks make up their health: Envoy's names. */
export interface HealthCheckTiming {
  /**
   * Between two checks of one endpoint, in milliseconds, 100 or more; the first comes at a random moment of the first
   * interval. One that has been sent a request since the last check is not checked. Default 10,000.
   */
  readonly intervalMs?: number | undefined
  /** Each interval is longer by up to this, at random, in percent of `intervalMs`, 0 to 100. Default 10. */
  readonly intervalJitterPercent?: number | undefined
  /** How long an answer may take, connecting included, in milliseconds. Default 1,000. */
  readonly timeoutMs?: number | undefined
  /**
   * Checks in a row without an answer, such as refused or timed out, after which an endpoint is sent no requests, 1 or
   * more. An answer that says that it is not healthy has this effect at once. Default 3.
   */
  readonly unhealthyThreshold?: number | undefined
  /** Checks in a row that it has to pass to be sent requests again, 1 or more. Default 2. */
  readonly healthyThreshold?: number | undefined
  /** Are endpoints that get requests checked, too? Default `false`. */
  readonly always?: boolean | undefined
}

/** A GET, over the protocol that requests go by (`connections.protocol`). */
export interface HttpHealthCheckOptions extends HealthCheckTiming {
  /** Tells it apart from the other checks. */
  readonly type: 'http'
  /** What is asked for, with a query or without, such as `/health`. */
  readonly path: string
  /** The statuses of a healthy endpoint, each from 200 to 599. Default: 200 alone. */
  readonly expectedStatuses?: readonly number[] | undefined
}

/** A connection that is established, over TLS where the instance speaks https. */
export interface TcpHealthCheckOptions extends HealthCheckTiming {
  /** Tells it apart from the other checks. */
  readonly type: 'tcp'
}

/** `grpc.health.v1.Health/Check` over HTTP/2, over TLS where the instance speaks https, else in clear. */
export interface GrpcHealthCheckOptions extends HealthCheckTiming {
  /** Tells it apart from the other checks. */
  readonly type: 'grpc'
  /** Whose health is asked for, such as `orders.v1.Orders`. Default: that of the whole server. */
  readonly service?: string | undefined
}

/** Active health checks of endpoints that get no requests; their own requests tell of the health of all others. */
export type HealthCheckOptions = HttpHealthCheckOptions | TcpHealthCheckOptions | GrpcHealthCheckOptions

/** {@link HealthCheckTiming} with every default in its place. */
export interface HealthCheckLimits {
  readonly intervalMs: number
  readonly intervalJitterPercent: number
  readonly timeoutMs: number
  readonly unhealthyThreshold: number
  readonly healthyThreshold: number
  readonly always: boolean
}

export type HealthCheckSettings = HealthCheckLimits &
  (
    | { readonly type: 'http'; readonly path: string; readonly expectedStatuses: readonly number[] }
    | { readonly type: 'tcp' }
    | { readonly type: 'grpc'; readonly service: string }
  )

// Envoy has no defaults for these. Interval, timeout and failures are those of Kubernetes' probes (periodSeconds,
// timeoutSeconds, failureThreshold), successes those of HAProxy (rise), as a single one may be luck.
const timing = {
  intervalMs: v.optional(milliseconds(100, LONGEST_MS), 10_000),
  intervalJitterPercent: v.optional(amount(0, 100, 'a number of percent from 0 to 100'), 10),
  timeoutMs: v.optional(milliseconds(1, LONGEST_MS), 1000),
  unhealthyThreshold: v.optional(count(1, 1000), 3),
  healthyThreshold: v.optional(count(1, 1000), 2),
  always: v.optional(flag, false),
}

const PATH_TEXT = 'a path that begins with /, such as /health'
const STATUSES_TEXT = 'a list of statuses, such as [200, 204]'
const SERVICE_TEXT = 'the name of a gRPC service, such as orders.v1.Orders, or none for the whole server'

export const healthCheckSchema: v.GenericSchema<HealthCheckOptions, HealthCheckSettings> = v.variant(
  'type',
  [
    group({
      type: v.literal('http'),
      ...timing,
      path: v.pipe(v.string(PATH_TEXT), v.regex(/^\/[!-~]*$/, PATH_TEXT)),
      expectedStatuses: v.optional(
        v.pipe(v.array(count(200, 599), STATUSES_TEXT), v.minLength(1, STATUSES_TEXT)),
        [200],
      ),
    }),
    group({ type: v.literal('tcp'), ...timing }),
    group({
      type: v.literal('grpc'),
      ...timing,
      service: v.optional(v.pipe(v.string(SERVICE_TEXT), v.regex(/^[\w./-]*$/, SERVICE_TEXT)), ''),
    }),
  ],
  "an object with type: 'http', 'tcp' or 'grpc'",
)
