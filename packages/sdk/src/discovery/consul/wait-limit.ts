import { ConsulError } from '../../consul/consul-error.js'

// What ends two waits after the same time, with no longer one answered since, is a limit of something in between;
// agents restart at any time.
const SAME_MS = 1000
// A shorter wait was not ended by something in between: proxies are set to 15 s (Envoy), 30 s, or more.
const LEAST_CUT_MS = 5000

/**
 * How long a blocking query may wait: as the client is configured, or as long as what stands between it and the agent lets
 * it. A proxy ends a request that gets no answer within its own limit, such as 60 s with nginx, with a 504, or by
 * closing the connection; then the waits become shorter than that.
 */
export class WaitLimit {
  #waitMs: number
  #endedAfterMs: number | undefined

  /** @param waitMs As the client is configured, in milliseconds. */
  constructor(waitMs: number) {
    this.#waitMs = waitMs
  }

  get waitMs(): number {
    return this.#waitMs
  }

  /**
   * A query that waited has failed, so many milliseconds after it was asked.
   *
   * @returns True: something in between has ended it, which says nothing of the agent.
   */
  isCut(error: Error, afterMs: number): boolean {
    if (afterMs < LEAST_CUT_MS) return false
    // Our own limit is longer than the wait, and what runs into it is a connection that has died.
    if (error instanceof ConsulError && error.timedOut) return false
    const status = error instanceof ConsulError ? error.statusCode : undefined
    // Consul itself answers neither.
    if (status === 504 || status === 408) {
      this.#shorten(afterMs)
      return true
    }
    if (status !== undefined && status !== 502 && status !== 503) return false
    const before = this.#endedAfterMs
    this.#endedAfterMs = afterMs
    if (before === undefined || Math.abs(afterMs - before) > SAME_MS) return false
    this.#endedAfterMs = undefined
    this.#shorten(Math.min(before, afterMs))
    return true
  }

  /** A query that waited has been answered, so many milliseconds after it was asked: nothing in between ends it earlier. */
  answered(afterMs: number): void {
    if (this.#endedAfterMs !== undefined && afterMs > this.#endedAfterMs + SAME_MS)
      this.#endedAfterMs = undefined
  }

  /** Consul adds up to a sixteenth to a wait; a second is for the way. */
  #shorten(limitMs: number): void {
    this.#waitMs = Math.min(this.#waitMs, Math.floor(((limitMs - 1000) * 16) / 17))
  }
}
