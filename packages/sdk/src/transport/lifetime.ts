import type { Clock } from '../clock.js'
import type { Random } from '../random.js'
import type { Lifetime } from './connection.js'

/** What ends the use of a connection that works. */
export interface LifetimeOptions {
  /** How old a connection may become, in milliseconds, and what shortens that for each. Default: no limit. */
  readonly maxAge?: { readonly ms: number; readonly random: Random }
  /** Requests that a connection may carry. Default: any number. */
  readonly maxRequests?: number
  readonly clock: Clock
}

// Up to a tenth earlier, as gRPC's servers have it (proposal A9): connections that were opened together, such as those
// of a fleet that was deployed at once, are not all opened again at once.
const JITTER = 0.1

/** Its timers are those of `clock`. */
export function limitedLifetime({ maxAge, maxRequests = Infinity, clock }: LifetimeOptions): Lifetime {
  return {
    maxRequests,
    whenOld: (callback) => {
      if (maxAge === undefined) return forgetNothing
      const timer = clock.setTimer(callback, maxAge.ms * (1 - JITTER * maxAge.random.next()))
      return () => clock.clearTimer(timer)
    },
  }
}

function forgetNothing(): void {}
