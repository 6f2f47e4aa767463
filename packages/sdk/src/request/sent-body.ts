import { Buffer } from 'node:buffer'

// As the sidecar reads first, and Linkerd keeps for a retry: most bodies of an API, and little for each that waits.
const LIMIT_BYTES = 64 * 1024

/**
 * What has been sent of a body that can be read once only, kept while it is short. Once it is whole it can be sent
 * again; a body that was cut on its way cannot, since undici destroys what it has not read to the end.
 */
export class SentBody {
  #chunks: Buffer[] = []
  #length = 0
  #whole = false

  add(chunk: Uint8Array | string): void {
    if (this.#length > LIMIT_BYTES) return
    // A copy: the maker of the chunk may use its memory again.
    const copy = Buffer.from(chunk as string)
    this.#length += copy.length
    if (this.#length > LIMIT_BYTES) this.#chunks = []
    else this.#chunks.push(copy)
  }

  end(): void {
    this.#whole = true
  }

  /** All of it; undefined: it was too long, or was not sent to its end. */
  get content(): Buffer | undefined {
    return this.#whole && this.#length <= LIMIT_BYTES ? Buffer.concat(this.#chunks) : undefined
  }
}
