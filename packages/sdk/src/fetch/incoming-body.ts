import type { BodyReader } from './body-reader.js'

/** Where the chunks of a body go, as they come off the wire or out of a decoder. */
export interface BodySink {
  /** Returns whether there may be more at once. */
  push(chunk: Uint8Array): boolean
  end(): void
  fail(error: unknown): void
}

/** Where they come from. */
export interface BodySource {
  resume(): void
  /** The rest is not wanted. */
  cancel(reason: unknown): void
}

/** Who wants the whole body. */
export interface BodyCollector {
  whole(chunks: readonly Uint8Array[]): void
  failed(error: unknown): void
}

/** What a body may hold before someone reads it: as much as one of undici's own `request`. */
const HIGH_WATER_MARK = 64 * 1024

/**
 * A body as it arrives. Up to a bound it is taken whether anyone reads it or not, so that a small one frees its
 * connection; a longer one waits for its reader.
 */
export class IncomingBody implements BodySink {
  /** Who can read it; referenced only as long as it need not be known whether someone still has it. */
  reader: BodyReader | undefined
  readonly #source: BodySource
  readonly #unreachable: FinalizationRegistry<IncomingBody>
  #queue: Uint8Array[] = []
  #buffered = 0
  #paused = false
  #state: 'open' | 'ended' | 'failed' = 'open'
  #error: unknown
  #collector: BodyCollector | undefined
  /** Of a stream whose reader waits for a chunk. */
  #waiting: ReadableByteStreamController | undefined
  #pulled: (() => void) | undefined
  /** Of a stream that was made, so that an error reaches what waits for its end. */
  #stream: WeakRef<ReadableByteStreamController> | undefined

  constructor(source: BodySource, unreachable: FinalizationRegistry<IncomingBody>) {
    this.#source = source
    this.#unreachable = unreachable
  }

  push(chunk: Uint8Array): boolean {
    if (this.#state !== 'open') return true
    this.#queue.push(chunk)
    if (this.#collector !== undefined) return true
    this.#buffered += chunk.byteLength
    if (this.#waiting !== undefined) this.#deliver(this.#waiting)
    this.#paused = this.#buffered >= HIGH_WATER_MARK
    if (this.#paused) this.#waitForReader()
    return !this.#paused
  }

  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ended'
    this.reader = undefined
    this.#collector?.whole(this.#queue)
    if (this.#waiting !== undefined) this.#deliver(this.#waiting)
  }

  fail(error: unknown): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#error = error
    this.#queue = []
    this.reader = undefined
    this.#collector?.failed(error)
    this.#stream?.deref()?.error(error)
    this.#settlePull()
  }

  /** Hands over the whole body, once it has all come. */
  collect(collector: BodyCollector): void {
    this.#collector = collector
    if (this.#state === 'ended') collector.whole(this.#queue)
    else if (this.#state === 'failed') collector.failed(this.#error)
    else this.#resume()
  }

  /** A stream reads from it. */
  attach(controller: ReadableByteStreamController): void {
    this.#stream = new WeakRef(controller)
    if (this.#state === 'failed') controller.error(this.#error)
  }

  /** Gives the stream its next chunk, now or when it comes. */
  pull(controller: ReadableByteStreamController): Promise<void> | undefined {
    if (this.#queue.length > 0 || this.#state !== 'open') {
      this.#deliver(controller)
      return undefined
    }
    this.#waiting = controller
    const pulled = new Promise<void>((resolve) => (this.#pulled = resolve))
    this.#resume()
    return pulled
  }

  /** The reader wants no more. */
  cancel(reason: unknown): void {
    if (this.#state !== 'open') return
    this.fail(reason)
    this.#source.cancel(reason)
  }

  /** It has become unreachable. */
  abandon(): void {
    if (this.#collector === undefined && this.#waiting === undefined) {
      this.cancel(new DOMException('Response object has been garbage collected', 'AbortError'))
    }
  }

  #deliver(controller: ReadableByteStreamController): void {
    const chunk = this.#queue.shift()
    this.#waiting = undefined
    if (chunk !== undefined) {
      this.#buffered -= chunk.byteLength
      // A copy, as the stream takes the memory away, and undici's is that of a whole read of the socket.
      controller.enqueue(new Uint8Array(chunk))
      if (this.#buffered < HIGH_WATER_MARK) this.#resume()
    } else if (this.#state === 'ended') {
      controller.close()
      // A reader with memory of its own has to hear that nothing more comes.
      controller.byobRequest?.respond(0)
    }
    this.#settlePull()
  }

  #settlePull(): void {
    this.#waiting = undefined
    this.#pulled?.()
    this.#pulled = undefined
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#source.resume()
  }

  /** From now on only the reader keeps it going: is there still one? */
  #waitForReader(): void {
    if (this.reader === undefined) return
    this.#unreachable.register(this.reader, this)
    this.reader = undefined
  }
}
