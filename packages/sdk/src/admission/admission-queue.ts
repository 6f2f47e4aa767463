import type { Clock, Timer } from '../clock.js'
import { LinkedList, type Linked } from '../collections/linked-list.js'
import { LEAST_IMPORTANT } from './priority.js'

/** What can be queued. */
export interface Queued<T> extends Linked<T> {
  /** 0 is the most important. */
  readonly priority: number
  /** When it has been queued for too long, by the clock. Written by the queue. */
  queuedUntil: number
}

/**
 * A queue by priority, and by age within one. What has been in it for too long is told, by one timer: all are given the
 * same time, so that only the first of each priority can be due.
 */
export class AdmissionQueue<T extends Queued<T>> {
  readonly #timeoutMs: number
  readonly #clock: Clock
  readonly #onTimeout: (item: T) => void
  readonly #lists: readonly LinkedList<T>[] = Array.from(
    { length: LEAST_IMPORTANT + 1 },
    () => new LinkedList<T>(),
  )
  #size = 0
  #timer: Timer | undefined

  /**
   * @param timeoutMs `Infinity`: none is too long.
   * @param onTimeout Hears of what is no longer in it by then.
   */
  constructor(timeoutMs: number, clock: Clock, onTimeout: (item: T) => void) {
    this.#timeoutMs = timeoutMs
    this.#clock = clock
    this.#onTimeout = onTimeout
  }

  get size(): number {
    return this.#size
  }

  /** The oldest of the most important. */
  get first(): T | undefined {
    for (const { first } of this.#lists) if (first !== undefined) return first
    return undefined
  }

  /** The youngest of the least important, if that is less important than `priority`: who has waited longest goes on. */
  lastBelow(priority: number): T | undefined {
    for (let each = LEAST_IMPORTANT; each > priority; each--) {
      const last = this.#lists[each]?.last
      if (last !== undefined) return last
    }
    return undefined
  }

  /** @param item It is in no queue. */
  add(item: T, now: number): void {
    item.queuedUntil = now + this.#timeoutMs
    this.#lists[item.priority]?.append(item)
    this.#size++
    this.#arm(now)
  }

  /** False: it was not in it. */
  remove(item: T): boolean {
    if (this.#lists[item.priority]?.remove(item) !== true) return false
    this.#size--
    // A timer left behind would keep the process alive. One that is early for what is left may stay.
    if (this.#size === 0 && this.#timer !== undefined) {
      this.#clock.clearTimer(this.#timer)
      this.#timer = undefined
    }
    return true
  }

  #fire(): void {
    this.#timer = undefined
    // Once: what comes due while these are told is for the next timer.
    const now = this.#clock.now()
    for (const list of this.#lists) {
      for (let item = list.first; item !== undefined && item.queuedUntil <= now; item = list.first) {
        this.remove(item)
        this.#onTimeout(item)
      }
    }
    this.#arm(this.#clock.now())
  }

  #arm(now: number): void {
    if (this.#timer !== undefined) return
    const until = Math.min(...this.#lists.map(({ first }) => first?.queuedUntil ?? Infinity))
    if (until === Infinity) return
    this.#timer = this.#clock.setTimer(() => this.#fire(), until - now)
  }
}
