/**
 * How a request went, as far as its endpoint is concerned:
 * `success`: it answered as it should. `remote_failure`: its own answer says that it failed, such as by a 5xx.
 * `local_failure`: no answer to go by: refused, reset, timed out (Envoy's "locally originated").
 * `overloaded`: it answers, and asks for less. `ignored`: it shows neither health nor sickness, as where the caller
 * went away.
 */
export type Outcome = 'success' | 'remote_failure' | 'local_failure' | 'overloaded' | 'ignored'

// A record, so that the compiler misses one that is added.
const ALL: Readonly<Record<Outcome, true>> = {
  success: true,
  remote_failure: true,
  local_failure: true,
  overloaded: true,
  ignored: true,
}

/** Is it one? */
export function isOutcome(word: unknown): word is Outcome {
  return typeof word === 'string' && Object.hasOwn(ALL, word)
}

/** Does it speak against the endpoint's health? */
export function isFailure(outcome: Outcome | 'pending'): boolean {
  return outcome === 'remote_failure' || outcome === 'local_failure'
}

/** What else an answer has told, for judges. */
export interface OutcomeDetails {
  /** Of the head; 0: there was none, or it is no HTTP. */
  readonly statusCode: number
  /** So many milliseconds it asks to be left alone; 0: it does not. */
  readonly pushbackMs: number
}

/** Nothing but the outcome is known. */
export const NO_DETAILS: OutcomeDetails = Object.freeze({ statusCode: 0, pushbackMs: 0 })
