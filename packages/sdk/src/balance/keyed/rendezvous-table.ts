import { Xxh64 } from '../../hashing/xxh64.js'
import { Numbers, type HashMember } from './hash-member.js'

/** Slots that members win in proportion to weight, independently of the other members. */
export class RendezvousTable {
  /** The member of each slot. */
  readonly owners: Uint16Array | Uint32Array

  /**
   * Rendezvous gives each slot to the member with the smallest of their exponential times, at rates in proportion to
   * weight. Instead of drawing a time for each member and slot, each member throws at slots in a row, and who hits a
   * slot first has it: as long as it has not been hit, that is as likely at one moment as at any other.
   * Expected O(size x log(size)), whatever the number of members: a throw for each slot comes to as much as it takes
   * until chance has met all of them.
   *
   * @param size A power of two.
   */
  constructor(members: readonly HashMember[], size: number) {
    this.owners = members.length <= 0x1_0000 ? new Uint16Array(size) : new Uint32Array(size)
    const total = members.reduce((sum, { weight }) => sum + weight, 0)
    // A custom layer may pass weights with which the race would not end.
    if (!(total > 0 && total < Infinity)) return
    const race = new Race(members, this.owners)
    // It takes ln(size) throws a slot and 0.6 on average until all have been hit, rarely 2 less or 4 more. Throws do
    // not depend on these bounds, which depend on the weights of all members.
    for (let throws = Math.log(size); race.left > 0; throws++) race.runUntil((throws * size) / total)
  }
}

/**
 * A member of weight w throws once in each span of 1 / w, at some moment of it and at any slot. A throw in each span,
 * instead of at random intervals, takes no logarithm, which languages need not compute to the same bit, and halves the
 * variance of shares. The chance to hit a slot stays within 1 / slots of the weight's at any moment.
 */
class Race {
  /** How many slots have not been hit. */
  left: number
  readonly #owners: Uint16Array | Uint32Array
  /** When each slot was hit first. */
  readonly #times: Float64Array
  readonly #spans: Float64Array
  /** How many throws each member has made. */
  readonly #throws: Uint32Array
  /** Of each member, the state of xoroshiro64**: two words. */
  readonly #states: Int32Array
  readonly #slotBits: number

  constructor(members: readonly HashMember[], owners: Uint16Array | Uint32Array) {
    this.left = owners.length
    this.#owners = owners
    this.#times = new Float64Array(owners.length).fill(Infinity)
    this.#spans = Float64Array.from(members, ({ weight }) => (weight > 0 ? 1 / weight : Infinity))
    this.#throws = new Uint32Array(members.length)
    this.#states = statesOf(members)
    this.#slotBits = Math.log2(owners.length)
  }

  /** All throws before a moment, each once, however many such moments there are. */
  runUntil(end: number): void {
    for (let member = 0; member < this.#spans.length; member++) this.#run(member, end)
  }

  #run(member: number, end: number): void {
    const times = this.#times
    const slotBits = this.#slotBits
    const slotMask = times.length - 1
    const span = this.#spans[member] ?? 0
    // What the slot leaves of 32 bits says when.
    const moment = 2 ** (slotBits - 32)
    let high = this.#states[2 * member] ?? 0
    let low = this.#states[2 * member + 1] ?? 0
    let count = this.#throws[member] ?? 0
    for (;;) {
      const product = Math.imul(high, 0x9e3779bb)
      const bits = Math.imul((product << 5) | (product >>> 27), 5)
      const time = (count + (bits >>> slotBits) * moment) * span
      // Nor is there a time without a weight.
      if (!(time < end)) break
      const slot = bits & slotMask
      const before = times[slot] ?? 0
      // Of equal times, that of the member that comes first.
      if (time < before) {
        if (before === Infinity) this.left--
        times[slot] = time
        this.#owners[slot] = member
      }
      low ^= high
      high = ((high << 26) | (high >>> 6)) ^ low ^ (low << 9)
      low = (low << 13) | (low >>> 19)
      count++
    }
    this.#states[2 * member] = high
    this.#states[2 * member + 1] = low
    this.#throws[member] = count
  }
}

/**
 * A generator for each member, from its name: its throws do not depend on other members.
 * Source: Blackman and Vigna, xoroshiro64** 1.0 (https://prng.di.unimi.it/xoroshiro64starstar.c), whose two words are
 * small enough to keep for each member.
 */
function statesOf(members: readonly HashMember[]): Int32Array {
  const states = new Int32Array(2 * members.length)
  const hash = new Xxh64()
  const numbers = new Numbers()
  members.forEach(({ name }, member) => {
    hash.hash(name, 0, numbers.next(name))
    states[2 * member] = hash.high
    // Zero is the generator's fixed point.
    states[2 * member + 1] = hash.high === 0 && hash.low === 0 ? 1 : hash.low
  })
  return states
}
