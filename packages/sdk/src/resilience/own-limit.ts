import type { Clock } from '../clock.js'
import type { Deadline } from '../deadline/deadline.js'
import type { Deadlined, TimeLimit } from './deadline.js'
import type { DeadlineHeap, Timed } from './deadline-heap.js'

/** The limit of one call that is given another time than the rest: its own `timeoutMs`, a deadline, or both. */
export class OwnLimit implements TimeLimit, Timed {
  readonly timeoutMs: number
  readonly bound: Deadline | undefined
  readonly boundAt: number
  at = 0
  place = -1
  readonly #heap: DeadlineHeap
  #item: Deadlined | undefined

  /** @param now By `clock`, which the heap goes by. */
  constructor(timeoutMs: number, bound: Deadline | undefined, heap: DeadlineHeap, clock: Clock, now: number) {
    this.timeoutMs = timeoutMs
    this.bound = bound
    this.boundAt = bound === undefined ? Infinity : bound.by(clock, now)
    this.#heap = heap
  }

  add(item: Deadlined, now: number): void {
    this.at = Math.min(now + this.timeoutMs, this.boundAt)
    item.deadline = this.at
    this.#item = item
    this.#heap.add(this, now)
  }

  remove(): void {
    this.#heap.remove(this)
  }

  expire(lateMs: number): void {
    this.#item?.expire(lateMs)
  }
}
