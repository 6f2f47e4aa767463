import { Classifier } from '../endpoint/classify.js'
import { reasonOf } from '../errors.js'
import type { CheckResult } from './health-check.js'

/** What an error says of the instance that was asked: nothing, where it is our own machine that has run out of something. */
export function failedBy(error: Error): CheckResult {
  // As of attempts; but the option `classify` is about the service's own requests.
  const { fault } = new Classifier().error(error, undefined)
  return fault === 'endpoint' || fault === 'response'
    ? { kind: 'unreachable', why: reasonOf(error) }
    : { kind: 'unknown' }
}
