import type { Random } from '../../random.js'
import { CIRCLE } from './weighted-index.js'

/**
 * Random points of the circle, no two of them nearer than a gap, each of them uniform: by the argument of
 * {@link pairs}, for more than two. Where the gap is the longest arc, no arc holds two of them.
 * Points that are uniform in what the gaps leave of the circle, put in order and then moved apart by one gap each, are
 * uniform among all that keep the gap; and the first, from which they are counted, is uniform by itself.
 */
export class SpreadPoints {
  readonly #random: Random
  readonly #gap: number
  readonly #range: number
  /** How far each is from the first, ascending. */
  readonly #moves: Float64Array
  #first = 0

  /** @param gap A share of the circle. Where so many gaps are more than the circle, the points are independent. */
  constructor(count: number, gap: number, random: Random) {
    const points = Math.ceil(gap * CIRCLE)
    this.#random = random
    this.#gap = points * count > CIRCLE ? 0 : points
    this.#range = CIRCLE - this.#gap * count
    this.#moves = new Float64Array(count)
  }

  /** Draws all of them anew. */
  draw(): void {
    const moves = this.#moves
    this.#first = this.#random.bits()
    for (let count = 1; count < moves.length; count++) {
      const move = Math.floor(((this.#random.bits() >>> 0) / CIRCLE) * this.#range)
      let place = count
      for (; place > 1 && (moves[place - 1] ?? 0) > move; place--) moves[place] = moves[place - 1] ?? 0
      moves[place] = move
    }
  }

  /** One of them, as a 32-bit integer. */
  at(index: number): number {
    return (this.#first + (this.#moves[index] ?? 0) + index * this.#gap) | 0
  }
}
