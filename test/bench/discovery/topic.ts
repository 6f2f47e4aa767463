import type { Children } from '../children.js'
import type { Placement } from '../machine.js'

/** Where measurements run. */
export interface Surroundings {
  readonly children: Children
  readonly where: Placement
  /** Fewer and shorter ones. */
  readonly quick: boolean
}

/** What a number is, and what it should not be above. */
export interface Meaning {
  readonly unit: string
  readonly atMost?: number
}

/** Numbers that are measured together, in processes of their own. */
export interface Topic {
  readonly title: string
  /** By the name of the number, in the order of the report. */
  readonly figures: Readonly<Record<string, Meaning>>
  /** One number for each figure. */
  measure(surroundings: Surroundings): Promise<Readonly<Record<string, number>>>
}

/** The number that a share of the others is not above, such as 0.99 of them. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
