import type { Instance } from '../discovery/resolver.js'

/** What one check has found. */
export type CheckResult =
  | { readonly kind: 'healthy' }
  /** It has answered, and not as a healthy one does. */
  | { readonly kind: 'unhealthy'; readonly why: string }
  /** It has not answered. */
  | { readonly kind: 'unreachable'; readonly why: string }
  /** We could not ask: a limit of this process or machine. */
  | { readonly kind: 'unknown' }

/**
 * Asks one instance once, and calls back once with what it has found, perhaps before it returns. Has no time limit of its
 * own. Returns how to cancel it: what it finds then is of no interest any more.
 */
export type HealthCheck = (instance: Instance, onResult: (result: CheckResult) => void) => () => void

export const HEALTHY: CheckResult = Object.freeze({ kind: 'healthy' })
