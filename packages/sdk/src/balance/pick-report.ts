import type { Candidate } from './picker.js'

/** Hears from a picker, step by step, how it came to its endpoint. */
export interface PickReport<E extends Candidate = Candidate> {
  /** What was done, in words: `its turn`. */
  step(text: string): void
  /**
   * An endpoint was looked at, and its load told; the least wins.
   *
   * @param measure What the figure is, such as `requests in flight / weight`.
   */
  compared(endpoint: E, load: number, measure: string): void
  /** An endpoint was not looked at, and why. */
  passedOver(endpoint: E, reason: string): void
}
