import type { Figures } from '../figures.js'
import type { Scenario } from '../scenario.js'

/** How one policy did: figures for each span of the scenario. */
export interface Run {
  readonly policy: string
  readonly figures: readonly Figures[]
}

export interface Result {
  readonly scenario: Scenario
  readonly runs: readonly Run[]
}

/** Does it show how figures change with the load? */
export function isRamp({ scenario }: Result): boolean {
  return scenario.spans.length > 1
}
