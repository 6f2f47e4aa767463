type ReadResult = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>>

/**
 * A body that is read while it is sent, and so can be sent once. Who sends it reads an async iterable; who gives the
 * request up cancels the stream, with the reason and without waiting for the next chunk.
 */
export class OutgoingStream implements AsyncIterable<Uint8Array> {
  /** What reading it failed with; undici's streams call it so. */
  errored: unknown = null
  readonly #begun: readonly Uint8Array[]
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #next: Promise<ReadResult> | undefined

  /**
   * @param begun What has been read of it.
   * @param next What is being read.
   */
  constructor(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    begun: readonly Uint8Array[] = [],
    next?: Promise<ReadResult>,
  ) {
    this.#reader = reader
    this.#begun = begun
    this.#next = next
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    let complete = false
    try {
      yield* this.#begun
      for (;;) {
        const { done, value } = await (this.#next ?? this.#reader.read())
        this.#next = undefined
        if (done) break
        yield value
      }
      complete = true
    } catch (error) {
      this.errored = error
      throw error
    } finally {
      if (!complete) this.cancel(this.errored)
    }
  }

  /** The rest will not be read. */
  cancel(reason: unknown): void {
    // One that has failed rejects with its failure, which its reader has been given.
    this.#reader.cancel(reason).catch(() => undefined)
  }
}
