import type { Counts } from './counts.js'

/**
 * `failed`: an error instead of a response, or another status than 200. `cut`: a head with 200 was handed on, and then
 * the body ended too soon or was another. `pending`: it had not ended when the load was.
 */
export type Ending = 'ok' | 'failed' | 'cut' | 'pending'

/** Of an open loop: request `i` is due at `startedAt + i * 1000 / ratePerSecond`, whatever became of those before it. */
export interface LoadRecording {
  /** Of `monotonicMs`, as all times are. */
  readonly startedAt: number
  readonly ratePerSecond: number
  readonly endings: readonly Ending[]
  /** From when it was due to the end of its body or its error, in milliseconds; of a pending one, until the load ended. */
  readonly tookMs: readonly number[]
  /** From when it was due to when it was sent. */
  readonly lateMs: readonly number[]
  /** Of what did not go well: by its index, an error's code or a status. */
  readonly reasons: Readonly<Record<number, string>>
  /** Attempts at each endpoint so far, by the subject's own accounting, again and again. */
  readonly attempts: readonly AttemptSample[]
}

export interface AttemptSample {
  readonly at: number
  /** By port. */
  readonly sent: Readonly<Record<number, number>>
}

/** When things were done. */
export interface Timeline {
  /** What was before is warm-up. */
  readonly healthyFrom: number
  /** Just before the fault was told to begin. */
  readonly faultAt: number
  /** When the subject should have settled with it. */
  readonly settledAt: number
  /** Just before it was told to end. */
  readonly endAt: number
  /** When it had ended, of all instances the first. */
  readonly healedAt: number
  /** The last request was due. */
  readonly until: number
}

/** All that was seen of one run. */
export interface Recording {
  readonly load: LoadRecording
  readonly timeline: Timeline
  /** Requests that all instances have read. */
  readonly seen: Counts
  /** The port of the instance with the fault; `undefined`: of none or all. */
  readonly faulty: number | undefined
  readonly instances: number
}

// One in ten cannot be sent twice without harm.
const POST_EVERY = 10

/** By its index in the load. */
export function methodOf(index: number): 'GET' | 'POST' {
  return index % POST_EVERY === 0 ? 'POST' : 'GET'
}
