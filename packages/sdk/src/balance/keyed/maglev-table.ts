import { Modulus } from '../../hashing/modulus.js'
import { Xxh64 } from '../../hashing/xxh64.js'
import type { HashMember } from './hash-member.js'

/** Slots dealt out to members in proportion to weight, each member taking them in an order of its own. */
export class MaglevTable {
  /** The member of each slot. */
  readonly owners: Uint16Array | Uint32Array

  /**
   * Source: Envoy `maglev_lb.cc`, with its arithmetic in doubles, and so slot by slot the same table.
   *
   * @param size A prime number, or a member might not reach every slot.
   */
  constructor(members: readonly HashMember[], size: number) {
    this.owners = members.length <= 0x1_0000 ? new Uint16Array(size) : new Uint32Array(size)
    if (members.length > 0) this.#deal(members, size)
  }

  #deal(members: readonly HashMember[], size: number): void {
    const owners = this.owners
    // A round has at least one turn, that of a member of the largest weight.
    const turns = new Turns(members, size)
    const { slots, skips } = permutations(members, size)
    const taken = new Uint8Array(size)
    let dealt = 0
    for (let round = 1; dealt < size; round++) {
      for (const member of turns.of(round)) {
        const skip = skips[member] ?? 0
        let slot = slots[member] ?? 0
        while (taken[slot] === 1) slot = after(slot, skip, size)
        taken[slot] = 1
        owners[slot] = member
        slots[member] = after(slot, skip, size)
        dealt++
        if (dealt === size) break
      }
    }
  }
}

const NONE = -1

/**
 * Whose turn it is in each round: a member of the largest weight takes one in every round, one of half of it in every
 * other. Members are kept by the round in which they are due: asking every one in every round takes seconds for
 * 10,000 of which one has most of the weight.
 */
class Turns {
  readonly #shares: Float64Array
  readonly #largest: number
  /** How much a member has to have by its next turn: a round gives it its share, a turn costs the largest share. */
  readonly #targets: Float64Array
  /** By round, the member that was put off to it last, and by member, the one that was before. */
  readonly #last: Int32Array
  readonly #before: Int32Array
  readonly #turn: Int32Array

  /** @param rounds The limit of rounds. */
  constructor(members: readonly HashMember[], rounds: number) {
    const total = members.reduce((sum, { weight }) => sum + weight, 0)
    this.#shares = Float64Array.from(members, ({ weight }) => weight / total)
    this.#largest = this.#shares.reduce((largest, share) => Math.max(largest, share), 0)
    this.#targets = new Float64Array(members.length)
    this.#last = new Int32Array(rounds + 1).fill(NONE)
    this.#before = new Int32Array(members.length)
    this.#turn = new Int32Array(members.length)
    for (let member = 0; member < members.length; member++) this.#putOff(member, 1)
  }

  /** The members that have a turn in a round, each once, in order; valid until the next call. */
  of(round: number): Int32Array {
    let first = this.#turn.length
    let ordered = true
    for (let member = this.#last[round] ?? NONE; member !== NONE; member = this.#before[member] ?? NONE) {
      ordered &&= first === this.#turn.length || member < (this.#turn[first] ?? 0)
      this.#turn[--first] = member
    }
    const turn = this.#turn.subarray(first)
    if (!ordered) turn.sort()
    for (const member of turn) this.#putOff(member, this.#nextRound(member, round))
    return turn
  }

  /** The first later round in which `round * share >= target`; the quotient may be a rounding off it. */
  #nextRound(member: number, round: number): number {
    const share = this.#shares[member] ?? 0
    const target = (this.#targets[member] ?? 0) + this.#largest
    this.#targets[member] = target
    let next = Math.max(round + 1, Math.floor(target / share) - 1)
    while (next * share < target) next++
    return next
  }

  #putOff(member: number, round: number): void {
    if (round >= this.#last.length) return
    this.#before[member] = this.#last[round] ?? NONE
    this.#last[round] = member
  }
}

/** Where each member begins, and how far it goes from one slot to the next: it meets all of them, in its own order. */
function permutations(
  members: readonly HashMember[],
  size: number,
): { readonly slots: Uint32Array; readonly skips: Uint32Array } {
  const slots = new Uint32Array(members.length)
  const skips = new Uint32Array(members.length)
  const hash = new Xxh64()
  const begin = new Modulus(size)
  const step = new Modulus(size - 1)
  members.forEach(({ name }, member) => {
    hash.hash(name)
    slots[member] = begin.of(hash.high, hash.low)
    hash.hash(name, 0, 1)
    skips[member] = step.of(hash.high, hash.low) + 1
  })
  return { slots, skips }
}

function after(slot: number, skip: number, size: number): number {
  const next = slot + skip
  return next < size ? next : next - size
}
