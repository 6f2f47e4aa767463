export const INSTANCES = 4
/** In all, unless told otherwise. */
export const RATE_PER_SECOND = 2000

/** How long each part of a run takes, in milliseconds. */
export interface Plan {
  /** For compilers and connections; not measured. */
  readonly warmUpMs: number
  readonly healthyMs: number
  readonly faultMs: number
  /** From the begin of the fault until the subject should have settled with it. */
  readonly settleMs: number
  /** From the end of the fault on. */
  readonly afterMs: number
  /** Of a fault that has a length of its own. */
  readonly longestStopMs: number
}

export const FULL: Plan = {
  warmUpMs: 3000,
  healthyMs: 4000,
  faultMs: 8000,
  settleMs: 2000,
  // A circuit stays open for 5 s by default: long enough for two of its probes.
  afterMs: 12_000,
  longestStopMs: Infinity,
}

export const QUICK: Plan = {
  warmUpMs: 1500,
  healthyMs: 1500,
  faultMs: 2000,
  settleMs: 1000,
  afterMs: 4000,
  longestStopMs: 2000,
}
