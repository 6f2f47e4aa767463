import type { Clock, Timer } from '../clock.js'
import { polledBy } from './deadline.js'

/** Something that is over at a time of its own. */
export interface Timed {
  /** The clock's milliseconds; unchanged while it is in the heap. */
  readonly at: number
  /** Where it is in the heap; negative: it is not. Written by the heap. */
  place: number
  /** @param lateMs So much later than its time: our own event loop was held up. */
  expire(lateMs: number): void
}

/**
 * One timer for all, whatever times they have, each told at its own: a binary heap whose entries know their places.
 *
 * Adding one and removing any takes O(log n) moves at worst and two or three on average, where times come in no order or
 * in rising order; nothing is allocated but the array as it grows. A timer is set for the first one only, and anew where
 * an earlier one comes. (Where all have as long, `Deadlines` does it in constant time.)
 */
export class DeadlineHeap {
  readonly #clock: Clock
  readonly #items: Timed[] = []
  readonly #onTimer = (): void => this.#fire()
  #timer: Timer | undefined
  /** When the timer fires. */
  #timerAt = Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param item It is not in the heap. One that is never over is not taken in. */
  add(item: Timed, now: number): void {
    if (item.at === Infinity) return
    this.#rise(item, this.#items.length)
    this.#arm(now)
  }

  /** Whether it is in the heap or not. */
  remove(item: Timed): void {
    const { place } = item
    if (place < 0) return
    item.place = -1
    const last = this.#items.pop()
    // The last one takes its place, and moves on from there in one of both directions.
    if (last !== undefined && last !== item) {
      const parent = this.#items[(place - 1) >> 1]
      if (place > 0 && parent !== undefined && parent.at > last.at) this.#rise(last, place)
      else this.#sink(last, place)
    }
    // A timer left behind would keep the process alive. One that is early for the next may stay.
    if (this.#items.length === 0) this.#disarm()
  }

  #fire(): void {
    this.#timer = undefined
    // Once: what comes due while these are told is for the next timer, behind what I/O has brought by then.
    const now = this.#clock.now()
    const due = polledBy(this.#timerAt, now)
    this.#timerAt = Infinity
    const items = this.#items
    for (let item = items[0]; item !== undefined && item.at <= due; item = items[0]) {
      this.remove(item)
      item.expire(now - item.at)
    }
    this.#arm(this.#clock.now())
  }

  #arm(now: number): void {
    const first = this.#items[0]
    if (first === undefined || first.at >= this.#timerAt) return
    this.#disarm()
    this.#timerAt = Math.max(first.at, now)
    this.#timer = this.#clock.setTimer(this.#onTimer, first.at - now)
  }

  #disarm(): void {
    if (this.#timer === undefined) return
    this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
    this.#timerAt = Infinity
  }

  #rise(item: Timed, from: number): void {
    const items = this.#items
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = items[above]
      if (parent === undefined || parent.at <= item.at) break
      items[place] = parent
      parent.place = place
      place = above
    }
    items[place] = item
    item.place = place
  }

  #sink(item: Timed, from: number): void {
    const items = this.#items
    let place = from
    for (;;) {
      let below = 2 * place + 1
      let child = items[below]
      const right = items[below + 1]
      if (child !== undefined && right !== undefined && right.at < child.at) {
        child = right
        below++
      }
      if (child === undefined || child.at >= item.at) break
      items[place] = child
      child.place = place
      place = below
    }
    items[place] = item
    item.place = place
  }
}
