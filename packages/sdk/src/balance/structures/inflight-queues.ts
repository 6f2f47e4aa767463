const NONE = -1

/**
 * Members 0 to n - 1, each in the queue of its number of requests in flight; every operation takes constant time and
 * allocates nothing once a number has occurred.
 */
export class InflightQueues {
  /** By member: its neighbours in the queue, and the queue it is in. */
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #counts: Int32Array
  /** By number of requests in flight. */
  readonly #heads: number[] = []
  readonly #tails: number[] = []
  #lowest = 0

  constructor(counts: readonly number[]) {
    this.#next = new Int32Array(counts.length)
    this.#previous = new Int32Array(counts.length)
    this.#counts = new Int32Array(counts.length)
    counts.forEach((inflight, member) => this.#append(member, inflight))
    this.#settle(0)
  }

  /** The lowest number that a member has. */
  get lowest(): number {
    return this.#lowest
  }

  /** Every number that has occurred is below this. */
  get height(): number {
    return this.#heads.length
  }

  /** The member that has been in the queue of `inflight` longest; below 0 where it is empty. */
  first(inflight: number): number {
    return this.#heads[inflight] ?? NONE
  }

  /** The next member in the queue of `member`; below 0 where it is the last. */
  after(member: number): number {
    return this.#next[member] ?? NONE
  }

  /** Moves `member` to the end of the queue of `inflight`. */
  move(member: number, inflight: number): void {
    const next = this.after(member)
    const previous = this.#previous[member] ?? NONE
    const from = this.#counts[member] ?? 0
    if (next < 0) this.#tails[from] = previous
    else this.#previous[next] = previous
    if (previous < 0) this.#heads[from] = next
    else this.#next[previous] = next
    this.#append(member, inflight)
    this.#settle(Math.min(this.#lowest, inflight))
  }

  #append(member: number, inflight: number): void {
    while (this.#heads.length <= inflight) {
      this.#heads.push(NONE)
      this.#tails.push(NONE)
    }
    const last = this.#tails[inflight] ?? NONE
    this.#counts[member] = inflight
    this.#next[member] = NONE
    this.#previous[member] = last
    this.#tails[inflight] = member
    if (last < 0) this.#heads[inflight] = member
    else this.#next[last] = member
  }

  /** Walks no further than the member that moved: the queues between are the only ones that may be empty. */
  #settle(from: number): void {
    let inflight = from
    while (inflight < this.#heads.length && this.first(inflight) < 0) inflight++
    this.#lowest = inflight
  }
}
