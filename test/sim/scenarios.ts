import type { Scenario } from './scenario.js'
import { failingFast, permanentFailure, rollingDeploy, temporaryFailure } from './scenarios/failures.js'
import { bursts, noisyNeighbours, noisyRamp, ramp } from './scenarios/load.js'
import { coldStart, oneSlow, sizesKnown, sizesUnknown } from './scenarios/speed.js'

/** In the order in which they are reported. */
export const scenarios: readonly Scenario[] = [
  coldStart,
  oneSlow,
  failingFast,
  temporaryFailure,
  permanentFailure,
  rollingDeploy,
  sizesKnown,
  sizesUnknown,
  bursts,
  noisyNeighbours,
  ramp,
  noisyRamp,
]
