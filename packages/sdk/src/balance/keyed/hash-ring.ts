/** Points on a circle of 64-bit numbers, each owned by a member. Filled once, then read only. */
export class HashRing {
  readonly #highs: Int32Array
  readonly #lows: Int32Array
  readonly #owners: Uint32Array
  /** For each of 2^n equal arcs, the first point that is not before it. There are at least as many arcs as points. */
  readonly #starts: Uint32Array
  readonly #shift: number

  /** @param points In any order. Of equal ones, the first given comes first. */
  constructor(points: RingPoints) {
    const { count } = points
    // Hashes are uniform, so that in an arc of the size of a point's share there is one point on average: what
    // follows takes O(n) to build and O(1) to ask, where sorting and searching would take O(n log n) and O(log n).
    const bits = Math.max(1, Math.ceil(Math.log2(Math.max(1, count))))
    this.#shift = 32 - bits
    this.#highs = new Int32Array(count)
    this.#lows = new Int32Array(count)
    this.#owners = new Uint32Array(count)
    this.#starts = new Uint32Array(2 ** bits + 1)
    this.#distribute(points)
    this.#sortArcs()
  }

  /** How many points there are. */
  get size(): number {
    return this.#owners.length
  }

  /** The index of the first point at or after a hash, going round; of an empty ring, 0. */
  at(high: number, low: number): number {
    let index = this.#starts[high >>> this.#shift] ?? 0
    while (index < this.#owners.length && this.#isBefore(index, high, low)) index++
    return index < this.#owners.length ? index : 0
  }

  /** The owner of the point at an index. */
  owner(index: number): number {
    return this.#owners[index] ?? 0
  }

  #isBefore(index: number, high: number, low: number): boolean {
    const ownHigh = this.#highs[index] ?? 0
    return ownHigh === high ? (this.#lows[index] ?? 0) >>> 0 < low >>> 0 : ownHigh >>> 0 < high >>> 0
  }

  /** A counting sort by arc. */
  #distribute({ count, highs, lows, owners }: RingPoints): void {
    const starts = this.#starts
    for (let point = 0; point < count; point++) {
      const next = ((highs[point] ?? 0) >>> this.#shift) + 1
      starts[next] = (starts[next] ?? 0) + 1
    }
    for (let arc = 1; arc < starts.length; arc++) starts[arc] = (starts[arc] ?? 0) + (starts[arc - 1] ?? 0)
    const ends = starts.slice()
    for (let point = 0; point < count; point++) {
      const arc = (highs[point] ?? 0) >>> this.#shift
      const index = ends[arc] ?? 0
      ends[arc] = index + 1
      this.#set(index, highs[point] ?? 0, lows[point] ?? 0, owners[point] ?? 0)
    }
  }

  /** An insertion sort of all: with one point an arc there is little left to do, and none moves out of its arc. */
  #sortArcs(): void {
    for (let point = 1; point < this.#owners.length; point++) {
      const high = this.#highs[point] ?? 0
      const low = this.#lows[point] ?? 0
      const owner = this.owner(point)
      let index = point
      for (
        ;
        index > 0 && !this.#isBefore(index - 1, high, low) && !this.#isAt(index - 1, high, low);
        index--
      ) {
        this.#set(index, this.#highs[index - 1] ?? 0, this.#lows[index - 1] ?? 0, this.owner(index - 1))
      }
      this.#set(index, high, low, owner)
    }
  }

  #isAt(index: number, high: number, low: number): boolean {
    return this.#highs[index] === high && this.#lows[index] === low
  }

  #set(index: number, high: number, low: number, owner: number): void {
    this.#highs[index] = high
    this.#lows[index] = low
    this.#owners[index] = owner
  }
}

/** Points in the order in which they were made; room for `capacity` of them. */
export class RingPoints {
  readonly highs: Int32Array
  readonly lows: Int32Array
  readonly owners: Uint32Array
  count = 0

  constructor(capacity: number) {
    this.highs = new Int32Array(capacity)
    this.lows = new Int32Array(capacity)
    this.owners = new Uint32Array(capacity)
  }

  add(high: number, low: number, owner: number): void {
    this.highs[this.count] = high
    this.lows[this.count] = low
    this.owners[this.count] = owner
    this.count++
  }
}
