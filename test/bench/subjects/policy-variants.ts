import type { ClientOptions } from '@fairlead/sdk'

/** What calls go by where nothing is said. */
export const DEFAULTS = 'all defaults'

const OFF = {
  retry: false,
  breaker: false,
  outlierDetection: false,
  stallDetection: false,
  pushback: false,
} as const satisfies ClientOptions

/** Clients that differ in one policy from the defaults. */
export const policyVariants: Readonly<Record<string, ClientOptions>> = {
  [DEFAULTS]: {},
  'none of those below that can be off': OFF,
  'without retry': { retry: false },
  'without breaker': { breaker: false },
  'without outlierDetection': { outlierDetection: false },
  'without stallDetection': { stallDetection: false },
  'without pushback': { pushback: false },
  'with hedge': { hedge: {} },
  'with retry.perTryTimeoutMs': { retry: { perTryTimeoutMs: 10_000 } },
  'with retry.holdBytes': { retry: { holdBytes: 65_536 } },
  'with retry.attemptHeader': { retry: { attemptHeader: 'x-envoy-attempt-count' } },
  'with deadlineHeader': { deadlineHeader: 'x-envoy-expected-rq-timeout-ms' },
  'with admission': { admission: { maxConcurrent: 1000 } },
  'with admission, adaptive': { admission: { adaptive: true } },
  'with healthCheck': { healthCheck: { type: 'http', path: '/health' } },
  'with a route': { routes: [{ match: { method: 'GET', path: '/v1/*' }, timeoutMs: 1000 }] },
}
