export { ManualClock } from './manual-clock.js'
export { FakeResolver, instanceAt } from './fake-resolver.js'
export { FakeCandidate, candidates } from './candidate.js'
export { keyHash } from './key-hash.js'
export { seededRandom } from '../random.js'
export { FakeConsul } from './fake-consul.js'
export type { FakeConsulQuery, FakeConsulRequest } from './fake-consul.js'
export {
  answer,
  breakOff,
  hangUp,
  healthEntry,
  hold,
  pourForEver,
  refuse,
  trickle,
} from './fake-consul-steps.js'
export type { FakeConsulStep } from './fake-consul-steps.js'
