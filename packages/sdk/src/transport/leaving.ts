// A server that drains closes every connection behind its answer; three in a row is no chance.
const CLOSURES = 3
// One that always does so is not leaving: first it must have kept some.
const KEPT = 10
const MOST = 1000

/**
 * Tells that an endpoint is about to leave: it has kept its connections, and now closes each behind its answer
 * (`Connection: close`), as servers do that drain. One that closes every hundredth, as by `keepalive_requests` of nginx,
 * closes none in a row; one that closes each has never kept one.
 */
export class Leaving {
  readonly #onLeaving: () => void
  /** Responses whose connection was kept, less those since that it was not. */
  #kept = 0
  #inARow = 0

  constructor(onLeaving: () => void) {
    this.#onLeaving = onLeaving
  }

  /** A response is whole. Whether its connection is kept is not known yet. */
  answered(): void {
    if (this.#kept < MOST) this.#kept++
    if (this.#inARow > 0) this.#inARow--
  }

  /** A response says, unasked, that its connection is closed behind it. */
  closedBehind(): void {
    this.#kept--
    // And one for the response, which was counted.
    this.#inARow += 2
    if (this.#inARow <= CLOSURES || this.#kept < KEPT) return
    this.#inARow = 0
    this.#onLeaving()
  }
}
