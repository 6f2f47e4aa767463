import type { Clock } from '../clock.js'
import type { DeadlineHeap, Timed } from '../resilience/deadline-heap.js'

/** Something that is due for one call at a time of its own: a hedge, the end of an attempt's time, an attempt after a pause. */
export class Later implements Timed {
  readonly at: number
  place = -1
  readonly #work: (lateMs: number) => void
  readonly #heap: DeadlineHeap

  /** @param work Hears how much later than its time it is, in milliseconds. */
  constructor(delayMs: number, work: (lateMs: number) => void, heap: DeadlineHeap, clock: Clock) {
    const now = clock.now()
    this.at = now + delayMs
    this.#work = work
    this.#heap = heap
    heap.add(this, now)
  }

  expire(lateMs: number): void {
    this.#work(lateMs)
  }

  /** Whether it was due already or not. */
  cancel(): void {
    this.#heap.remove(this)
  }
}
