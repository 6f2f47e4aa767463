/** Stands in a list, or in none. Both are the list's to write. */
export interface Linked<T> {
  before: T | undefined
  after: T | undefined
}

/**
 * A queue of what comes and goes with each request, from which anything is taken in constant time.
 *
 * Not a Set or a Map: V8 replaces the table of one after every so many entries, and the old table keeps what was in it
 * and a reference to the next one (`NextTable` of src/objects/ordered-hash-table.h). Once a single such table has grown
 * old, garbage or not, young collections take it for a root: each table after it is kept with all its requests until the
 * next full collection, and all of them are copied. That was 3 kB a request, and a third of a proxy's throughput.
 * What is removed here refers to nothing, and nothing to it.
 */
export class LinkedList<T extends Linked<T>> implements Iterable<T> {
  #first: T | undefined
  #last: T | undefined
  #size = 0

  /** What has been in it longest. */
  get first(): T | undefined {
    return this.#first
  }

  /** What has been in it for the shortest time. */
  get last(): T | undefined {
    return this.#last
  }

  get size(): number {
    return this.#size
  }

  /** @param item It is in no list. */
  append(item: T): void {
    item.before = this.#last
    if (this.#last === undefined) this.#first = item
    else this.#last.after = item
    this.#last = item
    this.#size++
  }

  /** False: it was not in it. */
  remove(item: T): boolean {
    const { before, after } = item
    if (before === undefined && this.#first !== item) return false
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    item.before = undefined
    item.after = undefined
    this.#size--
    return true
  }

  /** In their order. What has just been handed out may be removed meanwhile, and nothing else: see `first`. */
  *[Symbol.iterator](): IterableIterator<T> {
    let item = this.#first
    while (item !== undefined) {
      const { after } = item
      yield item
      item = after
    }
  }
}
