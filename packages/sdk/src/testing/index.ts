export { ManualClock } from './manual-clock.js'
export { FakeResolver, instanceAt } from './fake-resolver.js'
export { seededRandom } from '../random.js'
