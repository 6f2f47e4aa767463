/**
 * A body that is iterated, and what it failed by: undici hands an iterator's error on as it would a socket's, and one
 * must not be taken for the other.
 */
export class WatchedBody implements AsyncIterable<unknown> {
  readonly #source: Iterable<unknown> | AsyncIterable<unknown>
  #failure: unknown
  #awaited = false

  constructor(source: Iterable<unknown> | AsyncIterable<unknown>) {
    this.#source = source
  }

  /** What the caller's own iterator has thrown. */
  get failure(): unknown {
    return this.#failure
  }

  /** Has the next chunk been requested, and the caller not given it yet? */
  get awaited(): boolean {
    return this.#awaited
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, undefined> {
    this.#awaited = true
    try {
      for await (const chunk of this.#source) {
        this.#awaited = false
        yield chunk
        this.#awaited = true
      }
    } catch (thrown) {
      // undici takes a thrown value that is falsy for the end of its writer, and the request would never end.
      this.#failure = thrown || new Error(`the body's iterator threw ${String(thrown)}`)
      throw this.#failure
    } finally {
      this.#awaited = false
    }
  }
}
