const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const COMMA = 0x2c

// Enough of a wrong answer to recognise it by.
const SHOWN_BYTES = 60

/**
 * Reads a JSON list entry by entry while it arrives. Parsed as a whole, an answer with 10,000 instances would stop
 * the event loop for a tenth of a second; so it never has to do more than a chunk's worth at a time.
 */
export class JsonListReader {
  readonly #onEntry: (entry: unknown) => void
  /** Of the entry that has begun in an earlier chunk. */
  #begun: Buffer[] = []
  #head = ''
  #depth = 0
  #inString = false
  #escaped = false
  #ended = false

  constructor(onEntry: (entry: unknown) => void) {
    this.#onEntry = onEntry
  }

  /** @throws Error when what arrives is no JSON list. */
  push(chunk: Buffer): void {
    if (this.#head.length < SHOWN_BYTES) this.#head += chunk.toString('latin1', 0, SHOWN_BYTES)
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false
        else if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) this.#inString = false
        continue
      }
      if (byte === QUOTE && this.#depth > 0) {
        this.#inString = true
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        if (this.#depth === 0) this.#open(byte)
        this.#depth++
        if (this.#depth === 1) start = at + 1
      } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
        this.#depth--
        if (this.#depth === 0) {
          this.#entry(chunk.subarray(start, at))
          this.#ended = true
          start = chunk.length
        }
      } else if (byte === COMMA && this.#depth === 1) {
        this.#entry(chunk.subarray(start, at))
        start = at + 1
      } else if (this.#depth === 0 && byte > 0x20) {
        throw this.#noList()
      }
    }
    if (this.#depth > 0) this.#begun.push(chunk.subarray(start))
  }

  /** @throws Error when the list is not whole. */
  end(): void {
    if (this.#depth > 0) throw new Error('the JSON list breaks off')
    if (!this.#ended) throw this.#noList()
  }

  #open(byte: number): void {
    if (byte !== OPEN_LIST || this.#ended) throw this.#noList()
  }

  #entry(last: Buffer): void {
    const text = (this.#begun.length === 0 ? last : Buffer.concat([...this.#begun, last])).toString('utf8')
    this.#begun = []
    // `[]` has no entry, and white space none either.
    if (text.trim() === '') return
    this.#onEntry(JSON.parse(text))
  }

  #noList(): Error {
    return new Error(`expected a JSON list, got ${this.#head.slice(0, SHOWN_BYTES) || 'nothing'}`)
  }
}
