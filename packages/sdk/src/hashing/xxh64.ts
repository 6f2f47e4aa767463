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

// One for all, as hashing waits for nothing: V8 sets gigabytes of addresses aside for each memory.
const { memory, hash } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(XXH64_WASM, 'base64')))
  .exports as Xxh64Exports
let words = new Int32Array(memory.buffer)
let bytes = new Uint8Array(memory.buffer, TEXT_AT)

/**
 * XXH64 of text as UTF-8, by a WebAssembly module (`xxh64.wat`), as JavaScript multiplies no 64 bits. Nothing is
 * allocated, and nothing has to be loaded first.
 */
export class Xxh64 implements KeyHash {
  /** The hash of the last text. */
  high = 0
  low = 0

  /** Hashes `text`. The seed may be the hash of the text before it, which makes it that of both in a row. */
  hash(text: string, seedHigh = 0, seedLow = 0): void {
    this.low = hash(encode(text), seedHigh, seedLow)
    this.high = LITTLE_ENDIAN ? (words[1] ?? 0) : new DataView(memory.buffer).getInt32(4, true)
  }
}

/** Lays `text` out as UTF-8; returns its length in bytes. */
function encode(text: string): number {
  if (text.length <= SHORT && LITTLE_ENDIAN && encodeAscii(text)) return text.length
  // The most that UTF-8 makes of a UTF-16 unit is three bytes.
  const missing = 3 * text.length - bytes.length
  if (missing > 0) {
    memory.grow(Math.ceil(missing / PAGE))
    words = new Int32Array(memory.buffer)
    bytes = new Uint8Array(memory.buffer, TEXT_AT)
  }
  return encoder.encodeInto(text, bytes).written
}

/** `false`: there is more than ASCII in it. */
function encodeAscii(text: string): boolean {
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
