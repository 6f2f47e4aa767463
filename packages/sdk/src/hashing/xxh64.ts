import { endianness } from 'node:os'
import type { KeyHash } from './key-hash.js'
import { XXH64_WASM } from './xxh64-wasm.js'

// Of the global of that name: its types come with those of the browser only.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

interface Xxh64Exports {
  readonly memory: {
    readonly buffer: ArrayBuffer
    /** Detaches `buffer`, and gives another one. */
    grow(pages: number): void
  }
  readonly hash: (length: number, seedHigh: number, seedLow: number) => number
}

const PAGE = 65_536
// Before it is the hash.
const TEXT_AT = 8
// Up to here characters one by one are as fast as the encoder, whose result may be an object of its own.
const SHORT = 48
const LITTLE_ENDIAN = endianness() === 'LE'
const encoder = new TextEncoder()

/**
 * XXH64 of text as UTF-8, by a WebAssembly module (`xxh64.wat`), as JavaScript multiplies no 64 bits. Of short ASCII
 * nothing is allocated, and nothing has to be awaited first.
 */
export class Xxh64 implements KeyHash {
  /** The hash of the last text. */
  high = 0
  low = 0

  /** Hashes `text`. The seed may be the hash of the text before it, which makes it that of both in a row. */
  hash(text: string, seedHigh = 0, seedLow = 0): void {
    core ??= new Core()
    this.low = core.hash(text, seedHigh, seedLow)
    this.high = core.high
  }
}

// One for all, as hashing waits for nothing: V8 sets gigabytes of addresses aside for each memory. Made when the first
// text is hashed: who has no keys needs no WebAssembly.
let core: Core | undefined

/** The module, and its memory as it is seen from here. */
class Core {
  readonly #exports: Xxh64Exports
  #words: Int32Array
  #bytes: Uint8Array

  constructor() {
    const module = new WebAssembly.Module(Buffer.from(XXH64_WASM, 'base64'))
    this.#exports = new WebAssembly.Instance(module).exports as Xxh64Exports
    const { buffer } = this.#exports.memory
    this.#words = new Int32Array(buffer)
    this.#bytes = new Uint8Array(buffer, TEXT_AT)
  }

  /** The upper half of the last hash. */
  get high(): number {
    const words = this.#words
    return LITTLE_ENDIAN ? (words[1] ?? 0) : new DataView(words.buffer).getInt32(4, true)
  }

  /** Hashes `text`; returns the lower half. */
  hash(text: string, seedHigh: number, seedLow: number): number {
    const short = text.length <= SHORT && LITTLE_ENDIAN && this.#encodeAscii(text)
    return this.#exports.hash(short ? text.length : this.#encode(text), seedHigh, seedLow)
  }

  /** Lays `text` out as UTF-8; returns its length in bytes. What a long text has made the memory grow by it keeps. */
  #encode(text: string): number {
    // The most that UTF-8 makes of a UTF-16 unit is three bytes.
    const missing = 3 * text.length - this.#bytes.length
    if (missing > 0) {
      const { memory } = this.#exports
      memory.grow(Math.ceil(missing / PAGE))
      this.#words = new Int32Array(memory.buffer)
      this.#bytes = new Uint8Array(memory.buffer, TEXT_AT)
    }
    return encoder.encodeInto(text, this.#bytes).written
  }

  /** `false`: there is more than ASCII in it. */
  #encodeAscii(text: string): boolean {
    const words = this.#words
    const { length } = text
    let seen = 0
    let word = TEXT_AT >> 2
    let at = 0
    for (; at + 4 <= length; at += 4) {
      const a = text.charCodeAt(at)
      const b = text.charCodeAt(at + 1)
      const c = text.charCodeAt(at + 2)
      const d = text.charCodeAt(at + 3)
      seen |= a | b | c | d
      words[word++] = a | (b << 8) | (c << 16) | (d << 24)
    }
    let last = 0
    for (let shift = 0; at < length; at++, shift += 8) {
      const code = text.charCodeAt(at)
      seen |= code
      last |= code << shift
    }
    words[word] = last
    return seen < 0x80
  }
}
