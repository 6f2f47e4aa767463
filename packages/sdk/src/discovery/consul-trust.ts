import type { AnswerHead } from '../consul/answer-head.js'

/**
 * Why an answer must not be taken for the whole truth, by its own headers; `undefined` where nothing speaks against
 * it. An absent header says nothing: see {@link AnswerHead}. The same doubt reads the same each time. Pure.
 *
 * @param maxStaleMs How old an answer may be.
 */
export function doubtOf(head: AnswerHead, maxStaleMs: number): string | undefined {
  if (head.knownLeader === false) return 'the agent knows no leader'
  // While the agent is connected the age of its cache is 0, however long ago the last change was.
  if (head.ageMs !== undefined && head.ageMs > 0) return "the agent's cache is cut off from the servers"
  if (isTooOld(head, maxStaleMs))
    return `the server that answered has heard nothing of its leader for more than ${maxStaleMs / 1000} s`
  if (head.filteredByAcls) return 'the ACL token may not see all of it'
  return undefined
}

/** Is it older than it may be, so that the leader has to be asked instead? */
export function isTooOld({ lastContactMs = 0, ageMs = 0 }: AnswerHead, maxStaleMs: number): boolean {
  return Math.max(lastContactMs, ageMs) > maxStaleMs
}
