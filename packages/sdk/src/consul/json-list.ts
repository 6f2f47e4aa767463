/** What is made of an entry. The key tells entries apart. */
export interface Keyed {
  readonly key: string
}

/** How entries are read. */
export interface EntryReader<T extends Keyed> {
  read(entry: unknown): T
  /** Do two values of one key mean the same? Then the one before is kept. */
  same(before: T, now: T): boolean
}

/** An entry as it was read, and where its text stands. */
export interface ListEntry<T extends Keyed> {
  readonly value: T
  readonly source: Buffer
  readonly start: number
  readonly end: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const COMMA = 0x2c
const SPACE = 0x20

// Enough of a wrong answer to recognise it by.
const SHOWN_BYTES = 60

/**
 * Reads a JSON list entry by entry while it arrives. Parsed as a whole, an answer with 10,000 instances would stop
 * the event loop for a tenth of a second; so it never has to do more than a chunk's worth at a time.
 *
 * Of a list that is queried again and again most entries are as they were, to the byte: they are compared with
 * those of the last answer, which takes a sixtieth of parsing them, and keep their values.
 */
export class JsonListReader<T extends Keyed> {
  readonly #reader: EntryReader<T>
  readonly #known: readonly ListEntry<T>[]
  readonly #entries: ListEntry<T>[] = []
  /** Where to look for the next entry among those that are known, and where each key is; made when it is needed. */
  #next = 0
  #places: ReadonlyMap<string, number> | undefined
  #place: 'before' | 'within' | 'behind' = 'before'
  /** Of the entry that has begun in an earlier chunk. */
  #begun: Buffer[] = []
  #depth = 0
  #inString = false
  #escaped = false
  #head = ''

  /** @param known The entries of the last answer. */
  constructor(reader: EntryReader<T>, known: readonly ListEntry<T>[] = []) {
    this.#reader = reader
    this.#known = known
  }

  /** Those that have been read. */
  get entries(): readonly ListEntry<T>[] {
    return this.#entries
  }

  /** @throws Error when what arrives is not a JSON list. */
  push(chunk: Buffer): void {
    if (this.#head.length < SHOWN_BYTES) this.#head += chunk.toString('latin1', 0, SHOWN_BYTES)
    let at = this.#place === 'before' ? this.#open(chunk) : 0
    while (this.#place === 'within' && at < chunk.length) {
      let end = this.#recall(chunk, at)
      if (end === undefined) {
        end = this.#scan(chunk, at)
        if (end === chunk.length) {
          this.#begun.push(chunk.subarray(at))
          return
        }
        this.#take(chunk, at, end)
      }
      if (chunk[end] === CLOSE_LIST) this.#place = 'behind'
      at = end + 1
    }
    for (; at < chunk.length; at++) if ((chunk[at] ?? 0) > SPACE) throw this.#noList()
  }

  /** @throws Error when the list is not whole. */
  end(): void {
    if (this.#place === 'within') throw new Error('the JSON list ends too early')
    if (this.#place === 'before') throw this.#noList()
  }

  /** Returns where the first entry begins. */
  #open(chunk: Buffer): number {
    const at = chunk.findIndex((byte) => byte > SPACE)
    if (at < 0) return chunk.length
    if (chunk[at] !== OPEN_LIST) throw this.#noList()
    this.#place = 'within'
    return at + 1
  }

  /** Takes the entry that begins at `start` if it is the next one of the last answer; returns where it ends. */
  #recall(chunk: Buffer, start: number): number | undefined {
    const known = this.#known[this.#next]
    if (known === undefined || this.#begun.length > 0) return undefined
    const end = start + known.end - known.start
    const after = chunk[end]
    if ((after !== COMMA && after !== CLOSE_LIST) || !isText(known, chunk, start, end)) return undefined
    this.#next++
    this.#entries.push({ value: known.value, source: chunk, start, end })
    return end
  }

  /**
   * Returns where the entry ends, or the end of the chunk. Strings and what is between them have a loop each, which
   * takes half of the time of one loop for both.
   */
  #scan(chunk: Buffer, start: number): number {
    const { length } = chunk
    let depth = this.#depth
    let inString = this.#inString
    let escaped = this.#escaped
    let at = start
    let ended = false
    while (at < length && !ended) {
      if (escaped) {
        escaped = false
        at++
      } else if (inString) {
        let byte = chunk[at]
        while (at < length && byte !== QUOTE && byte !== BACKSLASH) byte = chunk[++at]
        if (byte === QUOTE) inString = false
        else escaped = byte === BACKSLASH
        at++
      } else {
        for (; at < length && !inString; at++) {
          const byte = chunk[at]
          if (byte === QUOTE) inString = true
          else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++
          else if (byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
            ended = depth === 0
            if (ended) break
            if (byte !== COMMA) depth--
          }
        }
      }
    }
    this.#depth = depth
    this.#inString = inString
    this.#escaped = escaped
    return Math.min(at, length)
  }

  #take(chunk: Buffer, start: number, end: number): void {
    if (chunk[end] === CLOSE_OBJECT) throw this.#noList()
    const known = this.#known[this.#next]
    const cut = this.#begun.length > 0
    const source = cut ? Buffer.concat([...this.#begun, chunk.subarray(0, end)]) : chunk
    const [from, to] = cut ? [0, source.length] : [start, end]
    this.#begun = []
    let value: T
    if (cut && known !== undefined && isText(known, source, from, to)) {
      this.#next++
      value = known.value
    } else {
      const text = source.toString('utf8', from, to)
      // `[]` has no entry; beside a comma there must be one, which the parser complains of.
      if (this.#entries.length === 0 && chunk[end] === CLOSE_LIST && text.trim() === '') return
      value = this.#settle(this.#reader.read(JSON.parse(text)))
    }
    this.#entries.push({ value, source, start: from, end: to })
  }

  /** The value that there was before, where it is the same. From here on the next ones are expected after it. */
  #settle(now: T): T {
    const place = this.#known[this.#next]?.value.key === now.key ? this.#next : this.#placeOf(now.key)
    const before = place === undefined ? undefined : this.#known[place]?.value
    if (place === undefined || before === undefined) return now
    this.#next = place + 1
    return this.#reader.same(before, now) ? before : now
  }

  #placeOf(key: string): number | undefined {
    this.#places ??= new Map(this.#known.map(({ value }, place) => [value.key, place]))
    return this.#places.get(key)
  }

  #noList(): Error {
    return new Error(`expected a JSON list, got ${this.#head.slice(0, SHOWN_BYTES) || 'nothing'}`)
  }
}

function isText(known: ListEntry<Keyed>, source: Buffer, start: number, end: number): boolean {
  return known.source.compare(source, start, end, known.start, known.end) === 0
}
