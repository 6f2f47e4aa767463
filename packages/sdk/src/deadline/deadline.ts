import type { Clock } from '../clock.js'

/** A header that tells how much time is left: Envoy's, in whole milliseconds, or gRPC's, in its own format. */
export type DeadlineHeader = 'x-envoy-expected-rq-timeout-ms' | 'grpc-timeout'

/**
 * By when something has to be done, for whoever it is done: of the incoming request, or bound by `withDeadline`. What is
 * sent within it ends by then, whatever its own `timeoutMs`.
 */
export class Deadline {
  /** Who has set it, for people: such as `grpc-timeout of the incoming request, 250 ms`. */
  readonly source: string
  /** The headers that it came in by, by which it also goes out unless `deadlineHeader` says otherwise. */
  readonly receivedBy: readonly DeadlineHeader[]
  /** Is what has to be done by then itself a retry of whoever asks for it? It is not written twice then. */
  readonly ofRetry: boolean
  readonly #clock: Clock
  readonly #at: number

  /**
   * @param clock Whose milliseconds `at` are.
   * @internal
   */
  constructor(
    clock: Clock,
    at: number,
    source: string,
    receivedBy: readonly DeadlineHeader[],
    ofRetry = false,
  ) {
    this.ofRetry = ofRetry
    this.#clock = clock
    this.#at = at
    this.source = source
    this.receivedBy = receivedBy
  }

  /** How much time is left, in whole milliseconds; 0: none. `Infinity`: there is no limit, and it is of a retry. */
  get remainingMs(): number {
    // Libraries write it into headers as it is, which take no fraction.
    return Math.floor(Math.max(0, this.#at - this.#clock.now()))
  }

  /**
   * The same time by a clock whose origin may be another.
   *
   * @param now Of that clock.
   */
  by(clock: Clock, now: number): number {
    return clock === this.#clock ? this.#at : now + this.#at - this.#clock.now()
  }

  /** Whether it is over before the other one. */
  isBefore(other: Deadline): boolean {
    return this.by(other.#clock, other.#clock.now()) < other.#at
  }
}
