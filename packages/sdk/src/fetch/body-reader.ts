import { bytesOf, textOf } from './body-bytes.js'
import type { UnderlyingByteSource } from 'node:stream/web'
import type { IncomingBody } from './incoming-body.js'

/**
 * The one who may read a body: in the hands of the response, and of the stream that was made of it. When both are
 * gone, so is the reader, and the body is unreachable.
 */
export class BodyReader {
  readonly #body: IncomingBody
  readonly #signal: AbortSignal | undefined

  constructor(body: IncomingBody, signal: AbortSignal | undefined) {
    this.#body = body
    this.#signal = signal
    body.reader = this
  }

  text(): Promise<string> {
    return this.#collect(textOf)
  }

  json(): Promise<unknown> {
    return this.#collect((chunks): unknown => JSON.parse(textOf(chunks)))
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#collect(bytesOf)
  }

  /** The same body as a stream that is pulled. */
  stream(): ReadableStream<Uint8Array> {
    const source: UnderlyingByteSource = {
      type: 'bytes',
      start: (controller) => this.#body.attach(controller),
      pull: (controller) => {
        if (this.#signal?.aborted !== true) return this.#body.pull(controller)
        controller.error(this.#signal.reason)
        return undefined
      },
      cancel: (reason) => this.#body.cancel(reason),
    }
    return new ReadableStream(
      source,
      // Nothing is taken before someone asks: what waits, waits where it is counted.
      { highWaterMark: 0 },
    )
  }

  #collect<T>(convert: (chunks: readonly Uint8Array[]) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      // Its listener went with the last byte off the wire; what had not been read by then is aborted all the same.
      if (this.#signal?.aborted === true) {
        reject(this.#signal.reason as Error)
        return
      }
      this.#body.collect({
        whole: (chunks) => {
          try {
            resolve(convert(chunks))
          } catch (error) {
            // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- What the parser threw.
            reject(error)
          }
        },
        failed: reject,
      })
    })
  }
}
