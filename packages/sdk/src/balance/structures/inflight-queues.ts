const NONE = -1

/**
 * Members 0 to n - 1, each in the queue of its level; every operation takes constant time and allocates nothing
 * once a level has been seen.
 */
export class LevelQueues {
  /** By member: its neighbours in the queue, and the queue it is in. */
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #levels: Int32Array
  /** By level. */
  readonly #heads: number[] = []
  readonly #tails: number[] = []
  #lowest = 0

  constructor(levels: readonly number[]) {
    this.#next = new Int32Array(levels.length)
    this.#previous = new Int32Array(levels.length)
    this.#levels = new Int32Array(levels.length)
    levels.forEach((level, member) => this.#append(member, level))
    this.#settle(0)
  }

  /** The lowest level that has a member. */
  get lowest(): number {
    return this.#lowest
  }

  /** Levels that have ever had a member are below this. */
  get height(): number {
    return this.#heads.length
  }

  /** Who has been in the queue of `level` longest; below 0 where it is empty. */
  first(level: number): number {
    return this.#heads[level] ?? NONE
  }

  /** Who came after `member` into its queue; below 0 where nobody did. */
  after(member: number): number {
    return this.#next[member] ?? NONE
  }

  /** Puts `member` last in the queue of `level`. */
  move(member: number, level: number): void {
    const next = this.after(member)
    const previous = this.#previous[member] ?? NONE
    const from = this.#levels[member] ?? 0
    if (next < 0) this.#tails[from] = previous
    else this.#previous[next] = previous
    if (previous < 0) this.#heads[from] = next
    else this.#next[previous] = next
    this.#append(member, level)
    this.#settle(Math.min(this.#lowest, level))
  }

  #append(member: number, level: number): void {
    while (this.#heads.length <= level) {
      this.#heads.push(NONE)
      this.#tails.push(NONE)
    }
    const last = this.#tails[level] ?? NONE
    this.#levels[member] = level
    this.#next[member] = NONE
    this.#previous[member] = last
    this.#tails[level] = member
    if (last < 0) this.#heads[level] = member
    else this.#next[last] = member
  }

  /** A member that moves on leaves at most the levels between behind, so this walks no further than it did. */
  #settle(from: number): void {
    let level = from
    while (level < this.#heads.length && this.first(level) < 0) level++
    this.#lowest = level
  }
}
