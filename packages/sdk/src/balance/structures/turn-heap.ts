/**
 * Members by when their next turn is, the earliest first: a binary heap in typed arrays. Turns stand beside each other
 * in the order of the heap, so that going down it waits for memory once a step.
 * What is set aside stands behind the heap, until it is put back.
 */
export class TurnHeap {
  readonly #turns: Float64Array
  readonly #members: Int32Array
  #size: number

  /** @param turns By member. */
  constructor(turns: readonly number[]) {
    this.#turns = Float64Array.from(turns)
    this.#members = Int32Array.from(turns.keys())
    this.#size = turns.length
    for (let place = (this.#size >> 1) - 1; place >= 0; place--) this.#sink(place)
  }

  /** The member with the earliest turn; negative: all are set aside. */
  get member(): number {
    return this.#size > 0 ? (this.#members[0] ?? -1) : -1
  }

  /** The earliest turn. */
  get turn(): number {
    return this.#turns[0] ?? 0
  }

  /** Defers the member with the earliest turn. */
  putOff(turn: number): void {
    this.#turns[0] = turn
    this.#sink(0)
  }

  /** Sets aside the member with the earliest turn. */
  setAside(): void {
    this.#size--
    this.#swap(0, this.#size)
    this.#sink(0)
  }

  /** The last member that was set aside; negative: none is. */
  get asideMember(): number {
    return this.#size < this.#members.length ? (this.#members[this.#size] ?? -1) : -1
  }

  get asideTurn(): number {
    return this.#turns[this.#size] ?? 0
  }

  /** Puts that one back. */
  putBack(turn: number): void {
    this.#turns[this.#size] = turn
    this.#rise(this.#size)
    this.#size++
  }

  /** Counts time from later on, so that doubles keep distinguishing turns. The order does not change. */
  rebase(origin: number): void {
    const turns = this.#turns
    for (let place = 0; place < turns.length; place++) turns[place] = (turns[place] ?? 0) - origin
  }

  #sink(from: number): void {
    const turns = this.#turns
    const members = this.#members
    const size = this.#size
    const turn = turns[from] ?? 0
    const member = members[from] ?? 0
    let place = from
    for (;;) {
      let child = 2 * place + 1
      if (child >= size) break
      if (child + 1 < size && (turns[child + 1] ?? 0) < (turns[child] ?? 0)) child++
      const earlier = turns[child] ?? 0
      if (earlier >= turn) break
      turns[place] = earlier
      members[place] = members[child] ?? 0
      place = child
    }
    turns[place] = turn
    members[place] = member
  }

  #rise(from: number): void {
    const turns = this.#turns
    const members = this.#members
    const turn = turns[from] ?? 0
    const member = members[from] ?? 0
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      const later = turns[parent] ?? 0
      if (later <= turn) break
      turns[place] = later
      members[place] = members[parent] ?? 0
      place = parent
    }
    turns[place] = turn
    members[place] = member
  }

  #swap(a: number, b: number): void {
    const turn = this.#turns[a] ?? 0
    const member = this.#members[a] ?? 0
    this.#turns[a] = this.#turns[b] ?? 0
    this.#members[a] = this.#members[b] ?? 0
    this.#turns[b] = turn
    this.#members[b] = member
  }
}
