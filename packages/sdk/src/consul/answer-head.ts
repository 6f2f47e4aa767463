import type { IncomingHttpHeaders } from 'node:http'

/**
 * What the agent says about an answer, in its headers. Undefined: it said nothing, which is never a "no".
 *
 * Since Consul 1.10 blocking queries are answered by the streaming backend, which fills three of them with nothing:
 * every answer has `X-Consul-KnownLeader: false` and `X-Consul-LastContact: 0`, and none has
 * `X-Consul-Results-Filtered-By-ACLs` (hashicorp/consul#9776, #11912; `Result` in agent/rpcclient/health/view.go of
 * 1.13.9 sets index and backend alone). Of that backend all three read as undefined.
 */
export interface AnswerHead {
  /** `X-Consul-Index`. */
  readonly index: number | undefined
  /** `X-Consul-Query-Backend`: the agent answered from the view of a stream, and asked no server. */
  readonly streamed: boolean
  /** `X-Consul-KnownLeader`. */
  readonly knownLeader: boolean | undefined
  /** `X-Consul-LastContact`: how long the server that answered has heard nothing of the leader, in milliseconds. */
  readonly lastContactMs: number | undefined
  /** `Age`: how long the agent's cache has been cut off from the servers, in milliseconds. */
  readonly ageMs: number | undefined
  /**
   * `X-Consul-Results-Filtered-By-ACLs`: there is more, which our token may not see. Consul sends it only where it is
   * true, so false may also be one that is older than 1.11.
   */
  readonly filteredByAcls: boolean | undefined
  /** `X-Consul-Default-ACL-Policy`: is what no token allows denied? 1.13 says so with every answer, ACLs on or off; 1.8.7 never. */
  readonly deniesByDefault: boolean | undefined
  /** `X-Consul-Translate-Addresses`: the agent has chosen between LAN and WAN addresses already. */
  readonly addressesTranslated: boolean
}

/** Reads the headers of an answer. Pure. */
export function answerHead(headers: IncomingHttpHeaders): AnswerHead {
  const streamed = headers['x-consul-query-backend'] === 'streaming'
  const policy = headers['x-consul-default-acl-policy']
  return {
    index: wholeNumber(headers['x-consul-index']),
    streamed,
    knownLeader: streamed ? undefined : truth(headers['x-consul-knownleader']),
    lastContactMs: streamed ? undefined : wholeNumber(headers['x-consul-lastcontact']),
    ageMs: milliseconds(headers.age),
    filteredByAcls: streamed ? undefined : truth(headers['x-consul-results-filtered-by-acls']) === true,
    deniesByDefault: policy === undefined ? undefined : policy === 'deny',
    addressesTranslated: truth(headers['x-consul-translate-addresses']) === true,
  }
}

// A proxy in front of the agent must not be able to blind us: as long as Linkerd believes the header, at most.
const LONGEST_RETRY_AFTER_MS = 300_000

/**
 * `Retry-After` in milliseconds, as seconds or as a date (RFC 9110, 10.2.3); 5 minutes at most, 0 if neither.
 *
 * @param unixTime Now, in Unix milliseconds.
 */
export function retryAfterMs(value: string | undefined, unixTime: number): number {
  if (value === undefined) return 0
  const delayMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - unixTime
  return delayMs > 0 ? Math.min(delayMs, LONGEST_RETRY_AFTER_MS) : 0
}

function wholeNumber(value: string | string[] | undefined): number | undefined {
  if (typeof value !== 'string' || !/^\d+$/.test(value)) return undefined
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : undefined
}

function milliseconds(seconds: string | undefined): number | undefined {
  const number = wholeNumber(seconds)
  return number === undefined ? undefined : number * 1000
}

function truth(value: string | string[] | undefined): boolean | undefined {
  return value === 'true' ? true : value === 'false' ? false : undefined
}
