import { expect, test } from 'vitest'
import { differences, type Difference, type DifferenceName } from './differences.test.support.js'
import { runOn, type Scenario, type World } from './subjects.test.support.js'
import type { Trace } from './trace.test.support.js'

export interface Comparison extends World {
  /** Differences that are meant; each must show. */
  readonly differs?: readonly DifferenceName[]
}

/** A test: the case on undici's own dispatcher and on ours, and what was seen is the same. */
export function compare(name: string, comparison: Comparison, scenario: Scenario): void {
  test(name, async () => {
    // One after the other: an uncaught exception belongs to whichever runs.
    const undici = await runOn('undici', comparison, scenario)
    const fairlead = await runOn('fairlead', comparison, scenario)
    expect(fairlead).toEqual(expected(undici, comparison.differs ?? []))
  })
}

function expected(trace: Trace, names: readonly DifferenceName[]): Trace {
  return names.reduce((before, name) => {
    const difference: Difference = differences[name]
    const after = difference.translate(before)
    expect(after, `"${name}" is not a difference any more`).not.toEqual(before)
    return after
  }, trace)
}
