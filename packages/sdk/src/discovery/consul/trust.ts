import type { AnswerHead } from '../../consul/answer-head.js'
import type { HealthSnapshot } from './health.js'

/**
 * Why an answer is suspect, by its own headers; `undefined` where it is not. An absent header says nothing: see
 * {@link AnswerHead}. The same reason reads the same each time. Pure.
 *
 * @param maxStaleMs How old an answer may be.
 */
export function suspicionOf(head: AnswerHead, maxStaleMs: number): string | undefined {
  if (head.knownLeader === false) return 'the agent knows no leader'
  // While the agent is connected the age of its cache is 0, however long ago the last change was.
  if (head.ageMs !== undefined && head.ageMs > 0) return "the agent's cache is cut off from the servers"
  if (isTooOld(head, maxStaleMs))
    return `the server that answered has heard nothing of its leader for more than ${maxStaleMs / 1000} s`
  return undefined
}

/** Why an answer is suspect where {@link mayMiss}. */
export const FILTERED = 'the ACL token may not see all of it'

/**
 * Has the ACL token filtered out what it could see before, or all there is? One that has always seen a part has no
 * other truth: its answers would be suspect for good, and none of them saved. Pure.
 *
 * @param sawAll An answer before this one was whole.
 */
export function mayMiss(head: AnswerHead, { instances }: HealthSnapshot, sawAll: boolean): boolean {
  return head.filteredByAcls === true && (sawAll || instances.length === 0)
}

/** Why an answer is suspect where {@link isBlind}. */
export const NO_TOKEN = "no token: set CONSUL_HTTP_TOKEN, as the agent's ACLs deny what no token allows"

/** Is it empty because we have no right to see any of it? Consul answers so where no token is sent. Pure. */
export function isBlind(
  { deniesByDefault }: AnswerHead,
  { instances, excluded }: HealthSnapshot,
  sendsToken: boolean,
): boolean {
  return deniesByDefault === true && !sendsToken && instances.length + excluded.length === 0
}

/** Is it older than it may be, so that the leader has to be asked instead? */
export function isTooOld({ lastContactMs = 0, ageMs = 0 }: AnswerHead, maxStaleMs: number): boolean {
  return Math.max(lastContactMs, ageMs) > maxStaleMs
}
