import type { Endpoint } from '../endpoint/endpoint.js'

const NONE: readonly Endpoint[] = Object.freeze([])

/** What is known of one call over its picks: grpc-js makes several where it queues, retries or hedges it. */
export class CallMemory {
  /** When it first asked for an endpoint, in the clock's milliseconds. */
  readonly since: number
  /** Where it has been: another attempt, after one or beside it, goes elsewhere. */
  tried: readonly Endpoint[] = NONE

  constructor(since: number) {
    this.since = since
  }

  add(endpoint: Endpoint): void {
    if (!this.tried.includes(endpoint)) this.tried = [...this.tried, endpoint]
  }
}

/**
 * The memory of each call. Known by its `pickInformation`, an object that grpc-js makes once for a call
 * (`getDefaultConfigSelector` of its resolving-load-balancer.ts) and hands to each of its picks.
 */
export class CallMemories {
  readonly #memories = new WeakMap<object, CallMemory>()

  /** @param now The clock's milliseconds. */
  of(pickInformation: object, now: number): CallMemory {
    const known = this.#memories.get(pickInformation)
    if (known !== undefined) return known
    const made = new CallMemory(now)
    this.#memories.set(pickInformation, made)
    return made
  }
}
