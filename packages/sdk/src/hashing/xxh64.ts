import { endianness } from 'node:os'
import type { KeyHash } from './key-hash.js'

// The five primes of the specification, each in halves: 11400714785074694791, 14029467366897019727,
// 1609587929392839161, 9650029242287828579 and 2870177450012600261.
const P1_HIGH = 0x9e3779b1 | 0
const P1_LOW = 0x85ebca87 | 0
const P2_HIGH = 0xc2b2ae3d | 0
const P2_LOW = 0x27d4eb4f
const P3_HIGH = 0x165667b1
const P3_LOW = 0x9e3779f9 | 0
const P4_HIGH = 0x85ebca77 | 0
const P4_LOW = 0xc2b2ae63 | 0
const P5_HIGH = 0x27d4eb2f
const P5_LOW = 0x165667c5

const STRIPE = 32
// Up to here characters one by one are as fast as the encoder, whose result may be an object of its own.
const SHORT = 48
// Shorter in bytecode than a property of Math, which is what V8 goes by when it decides what to compile as one.
const { imul } = Math
const encoder = new TextEncoder()
const LITTLE_ENDIAN = endianness() === 'LE'

/**
 * XXH64 of text as UTF-8, in 32-bit integers: nothing is allocated, and nothing has to be loaded first.
 * A hash of 32 bytes takes about 150 ns.
 * Source: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
export class Xxh64 implements KeyHash {
  /** The hash of the last text. */
  high = 0
  low = 0
  /** The text as little-endian words, and the same memory by bytes. */
  #words = new Int32Array(256)
  #bytes = new Uint8Array(this.#words.buffer)
  // Arrays of integers, as a DataView takes newer V8 twice the time.
  readonly #lanes = new Int32Array(8)

  /** Hashes `text`. The seed may be the hash of the text before it, which makes it that of both in a row. */
  hash(text: string, seedHigh = 0, seedLow = 0): void {
    const length = this.#encode(text)
    if (length >= STRIPE) {
      this.#mixStripes(length, seedHigh, seedLow)
      this.#mergeLanes()
    } else {
      this.low = (seedLow + P5_LOW) | 0
      this.high = (seedHigh + P5_HIGH + carry(this.low, P5_LOW)) | 0
    }
    this.#mixRest(length)
  }

  /** Lays `text` out as UTF-8; returns its length in bytes. */
  #encode(text: string): number {
    if (text.length <= SHORT && this.#encodeAscii(text)) return text.length
    // The most that UTF-8 makes of a UTF-16 unit is three bytes.
    const most = Math.ceil((3 * text.length) / 4)
    if (most > this.#words.length) {
      this.#words = new Int32Array(most)
      this.#bytes = new Uint8Array(this.#words.buffer)
    }
    const { written } = encoder.encodeInto(text, this.#bytes)
    if (!LITTLE_ENDIAN) this.#swapWords(written)
    return written
  }

  /** `false`: there is more than ASCII in it. */
  #encodeAscii(text: string): boolean {
    const words = this.#words
    const { length } = text
    let seen = 0
    let at = 0
    for (; at + 4 <= length; at += 4) {
      const a = text.charCodeAt(at)
      const b = text.charCodeAt(at + 1)
      const c = text.charCodeAt(at + 2)
      const d = text.charCodeAt(at + 3)
      seen |= a | b | c | d
      words[at >> 2] = a | (b << 8) | (c << 16) | (d << 24)
    }
    let last = 0
    for (let shift = 0; at < length; at++, shift += 8) {
      const code = text.charCodeAt(at)
      seen |= code
      last |= code << shift
    }
    words[length >> 2] = last
    return seen < 0x80
  }

  #swapWords(length: number): void {
    const view = new DataView(this.#words.buffer)
    for (let word = 0; 4 * word < length; word++) this.#words[word] = view.getInt32(4 * word, true)
  }

  /** Each 8 bytes of a stripe of 32 into a lane of its own. */
  #mixStripes(length: number, seedHigh: number, seedLow: number): void {
    const words = this.#words
    const lanes = this.#lanes
    // The lanes start from P1 + P2, P2, 0 and -P1, on top of the seed.
    const first = (seedLow + P1_LOW + P2_LOW) | 0
    const second = (seedLow + P2_LOW) | 0
    const fourth = (seedLow - P1_LOW) | 0
    lanes[0] = first
    lanes[1] = (seedHigh + 0x60ea27ee + carry(first, (P1_LOW + P2_LOW) | 0)) | 0
    lanes[2] = second
    lanes[3] = (seedHigh + P2_HIGH + carry(second, P2_LOW)) | 0
    lanes[4] = seedLow
    lanes[5] = seedHigh
    lanes[6] = fourth
    lanes[7] = (seedHigh + ~P1_HIGH + carry(fourth, -P1_LOW)) | 0
    const end = (length - (length % STRIPE)) >> 2
    for (let word = 0; word < end; word += 2) {
      const lane = word & 7
      const low = words[word] ?? 0
      const addend = imul(low, P2_LOW)
      const sum = ((lanes[lane] ?? 0) + addend) | 0
      const sumHigh =
        ((lanes[lane + 1] ?? 0) + highTimesP2(words[word + 1] ?? 0, low) + carry(sum, addend)) | 0
      const turned = (sum << 31) | (sumHigh >>> 1)
      const turnedHigh = (sumHigh << 31) | (sum >>> 1)
      lanes[lane] = imul(turned, P1_LOW)
      lanes[lane + 1] = highTimesP1(turnedHigh, turned)
    }
  }

  /** The four lanes into one hash: their sum, each turned by its own number of bits, then each mixed in once more. */
  #mergeLanes(): void {
    const lanes = this.#lanes
    const low1 = lanes[0] ?? 0
    const high1 = lanes[1] ?? 0
    const low2 = lanes[2] ?? 0
    const high2 = lanes[3] ?? 0
    const low3 = lanes[4] ?? 0
    const high3 = lanes[5] ?? 0
    const low4 = lanes[6] ?? 0
    const high4 = lanes[7] ?? 0
    let low = (low1 << 1) | (high1 >>> 31)
    let high = (high1 << 1) | (low1 >>> 31)
    let addend = (low2 << 7) | (high2 >>> 25)
    low = (low + addend) | 0
    high = (high + ((high2 << 7) | (low2 >>> 25)) + carry(low, addend)) | 0
    addend = (low3 << 12) | (high3 >>> 20)
    low = (low + addend) | 0
    high = (high + ((high3 << 12) | (low3 >>> 20)) + carry(low, addend)) | 0
    addend = (low4 << 18) | (high4 >>> 14)
    low = (low + addend) | 0
    high = (high + ((high4 << 18) | (low4 >>> 14)) + carry(low, addend)) | 0
    for (let lane = 0; lane < lanes.length; lane += 2) {
      const value = lanes[lane] ?? 0
      const scaled = imul(value, P2_LOW)
      const scaledHigh = highTimesP2(lanes[lane + 1] ?? 0, value)
      const turned = (scaled << 31) | (scaledHigh >>> 1)
      low ^= imul(turned, P1_LOW)
      high ^= highTimesP1((scaledHigh << 31) | (scaled >>> 1), turned)
      high = highTimesP1(high, low)
      low = (imul(low, P1_LOW) + P4_LOW) | 0
      high = (high + P4_HIGH + carry(low, P4_LOW)) | 0
    }
    this.high = high
    this.low = low
  }

  /** What is left of the input by eights, a four and ones; then the avalanche. */
  #mixRest(length: number): void {
    const words = this.#words
    let low = (this.low + length) | 0
    let high = (this.high + carry(low, length)) | 0
    let before = 0
    let at = length - (length % STRIPE)
    for (; at + 8 <= length; at += 8) {
      const word = words[at >> 2] ?? 0
      const scaled = imul(word, P2_LOW)
      const scaledHigh = highTimesP2(words[(at >> 2) + 1] ?? 0, word)
      const turned = (scaled << 31) | (scaledHigh >>> 1)
      low ^= imul(turned, P1_LOW)
      high ^= highTimesP1((scaledHigh << 31) | (scaled >>> 1), turned)
      before = low
      low = (low << 27) | (high >>> 5)
      high = (high << 27) | (before >>> 5)
      high = highTimesP1(high, low)
      low = (imul(low, P1_LOW) + P4_LOW) | 0
      high = (high + P4_HIGH + carry(low, P4_LOW)) | 0
    }
    if (at + 4 <= length) {
      const word = words[at >> 2] ?? 0
      low ^= imul(word, P1_LOW)
      high ^= highTimesP1(0, word)
      before = low
      low = (low << 23) | (high >>> 9)
      high = (high << 23) | (before >>> 9)
      high = highTimesP2(high, low)
      low = (imul(low, P2_LOW) + P3_LOW) | 0
      high = (high + P3_HIGH + carry(low, P3_LOW)) | 0
      at += 4
    }
    for (; at < length; at++) {
      const byte = ((words[at >> 2] ?? 0) >>> (8 * (at & 3))) & 0xff
      low ^= imul(byte, P5_LOW)
      high ^= highOfProduct(0, byte, P5_HIGH, P5_LOW)
      before = low
      low = (low << 11) | (high >>> 21)
      high = (high << 11) | (before >>> 21)
      high = highTimesP1(high, low)
      low = imul(low, P1_LOW)
    }
    low ^= high >>> 1
    high = highTimesP2(high, low)
    low = imul(low, P2_LOW)
    low ^= (low >>> 29) | (high << 3)
    high ^= high >>> 29
    high = highOfProduct(high, low, P3_HIGH, P3_LOW)
    low = imul(low, P3_LOW)
    this.high = high
    this.low = low ^ high
  }
}

/*
 * The upper halves of products modulo 2^64; the lower one is `imul(aLow, bLow)`. What the lower halves carry into it are
 * the upper 32 bits of their product. As a double that is off by 2^10 at most, and so is its difference to its lower 32
 * bits, which are known exactly: what is left is off by 2^11 of 2^32, and the nearest whole number is right. Half the
 * operations of digits of 16 bits. With the two primes that most products are with as literals: V8 would load constants.
 */

/** By P1. */
function highTimesP1(high: number, low: number): number {
  const carried = (((low >>> 0) * 0x85ebca87 - (imul(low, 0x85ebca87) >>> 0)) * 2 ** -32 + 0.5) >>> 0
  return (carried + imul(high, 0x85ebca87) + imul(low, 0x9e3779b1)) | 0
}

/** By P2. */
function highTimesP2(high: number, low: number): number {
  const carried = (((low >>> 0) * 0x27d4eb4f - (imul(low, 0x27d4eb4f) >>> 0)) * 2 ** -32 + 0.5) >>> 0
  return (carried + imul(high, 0x27d4eb4f) + imul(low, 0xc2b2ae3d)) | 0
}

function highOfProduct(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  const carried = (((aLow >>> 0) * (bLow >>> 0) - (imul(aLow, bLow) >>> 0)) * 2 ** -32 + 0.5) >>> 0
  return (carried + imul(aHigh, bLow) + imul(aLow, bHigh)) | 0
}

/** What a sum of lower halves that has gone round carries into the upper ones. No branch: it would be guessed wrong half the time. */
function carry(sum: number, addend: number): number {
  return ((~sum & addend) | (~(sum ^ addend) & (sum - addend))) >>> 31
}
