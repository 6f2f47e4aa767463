/** The agent did not give an answer that can be used. The message names the agent. */
export class ConsulError extends Error {
  override readonly name: string = 'ConsulError'
  /** The status it answered with; undefined: it did not answer. */
  readonly statusCode: number | undefined
  /** Did it not answer within the time that we gave it? */
  readonly timedOut: boolean
  /** What it said with that status, shortened. */
  readonly said: string
  /** How long the agent asks clients to wait (`Retry-After`), in milliseconds. */
  readonly retryAfterMs: number

  constructor(
    message: string,
    details: {
      readonly cause?: unknown
      readonly statusCode?: number
      readonly timedOut?: boolean
      readonly said?: string
      readonly retryAfterMs?: number
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.statusCode = details.statusCode
    this.timedOut = details.timedOut ?? false
    this.said = details.said ?? ''
    this.retryAfterMs = details.retryAfterMs ?? 0
  }
}

// Consul says these with a 500, of which most pass by themselves: no leader, servers that cannot be reached, an RPC
// that was cut. An agent that is not a server puts "rpc error making call: " before what its server says.
const REJECTIONS = /Connect must be enabled|can't find (?:method|service)/
const PASSING = /leader|rpc error|No known Consul servers/

/** Will it go on saying so: an agent that is too old for the question, or a token that may not ask it? */
export function isRejection({ statusCode, said }: ConsulError): boolean {
  switch (statusCode) {
    case undefined:
    case 429:
    case 502:
    case 503:
    case 504:
      return false
    case 403:
      // A token that has just been made is not known everywhere yet.
      return !said.includes('ACL not found')
    case 500:
      return REJECTIONS.test(said) || !PASSING.test(said)
    default:
      return true
  }
}
