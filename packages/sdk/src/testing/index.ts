/**
 * For tests of programs that use the SDK: fakes of Consul, of a resolver and of endpoints, a clock that is set by hand.
 *
 * @module @fairlead/sdk/testing
 */
export { ManualClock } from './manual-clock.js'
export { FakeResolver, instanceAt } from './fake-resolver.js'
export { FakeCandidate, candidates } from './candidate.js'
export { keyHash } from './key-hash.js'
export { seededRandom } from '../random.js'
export { FakeConsul } from './fake-consul.js'
export type { FakeConsulOptions, FakeConsulQuery, FakeConsulRequest } from './fake-consul.js'
export type { FakeBackend } from './fake-backend.js'
export type { FakeHealth, FakePlace } from './fake-catalog.js'
export { discoveryChain } from './discovery-chain.js'
export type { FakeChainOptions, FakeChainTarget } from './discovery-chain.js'
export { healthCheck, healthEntry } from './health-entry.js'
export type { HealthEntryOverrides } from './health-entry.js'
export {
  aclNotFound,
  addressesTranslated,
  answer,
  answerNonsense,
  breakOff,
  connectDisabled,
  cutOff,
  cutShort,
  delayed,
  deniesByDefault,
  filteredByAcls,
  hangUp,
  hold,
  noClusterLeader,
  noLeader,
  noPathToDatacenter,
  pourForEver,
  refuse,
  streamed,
  tooManyRequests,
  trickle,
  withoutContact,
} from './fake-consul-steps.js'
export type { FakeConsulStep } from './fake-consul-steps.js'
