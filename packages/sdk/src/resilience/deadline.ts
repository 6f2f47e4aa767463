import type { Clock, Timer } from '../clock.js'
import { LinkedList, type Linked } from '../collections/linked-list.js'
import type { Deadline } from '../deadline/deadline.js'

/** Something that is over at a time, and stands in the queue of those that are given as long. */
export interface Deadlined extends Linked<Deadlined> {
  /** The clock's milliseconds. Written by its limit. */
  deadline: number
  /** @param lateMs So much later than its time: our own event loop was held up. */
  expire(lateMs: number): void
}

/** How long something is given, and who ends it then. */
export interface TimeLimit {
  /** From when it is added, in milliseconds; `Infinity`: no limit of its own. */
  readonly timeoutMs: number
  /** By when it has to be over for whoever it is done for, and that by the clock's milliseconds; undefined, `Infinity`: whenever. */
  readonly bound: Deadline | undefined
  readonly boundAt: number
  /** @param item It has no limit at present. */
  add(item: Deadlined, now: number): void
  /** Whether it was added or not. */
  remove(item: Deadlined): void
}

// By so much a timer is late without anyone standing still.
const LATE_MS = 20

/**
 * Until when all that had come in has been read, where a timer that was due at `timerAt` is told at `now`. The poll for I/O
 * came between its time and its being told, and what it read may have held up the loop: what came in behind it is still to
 * be read. The next timer, which may be due at once, comes behind another poll.
 */
export function polledBy(timerAt: number, now: number): number {
  return now - timerAt > LATE_MS ? timerAt : now
}

/**
 * One timer for all that have the same time: who came first is over first, so only the first needs one.
 * Adding and removing take constant time, and no timer of their own.
 */
export class Deadlines implements TimeLimit {
  /** What each is given, in milliseconds; `Infinity`: no limit. */
  readonly timeoutMs: number
  readonly bound: undefined
  readonly boundAt: number = Infinity
  readonly #clock: Clock
  readonly #queue = new LinkedList<Deadlined>()
  #timer: Timer | undefined
  /** When the timer is due. */
  #timerAt = 0

  constructor(timeoutMs: number, clock: Clock) {
    this.timeoutMs = timeoutMs
    this.#clock = clock
  }

  add(item: Deadlined, now: number): void {
    if (this.timeoutMs === Infinity) return
    item.deadline = now + this.timeoutMs
    this.#queue.append(item)
    this.#arm(now)
  }

  remove(item: Deadlined): void {
    if (!this.#queue.remove(item)) return
    // A timer left behind would keep the process alive. One that is early for the next in line may stay.
    if (this.#queue.size === 0 && this.#timer !== undefined) {
      this.#clock.clearTimer(this.#timer)
      this.#timer = undefined
    }
  }

  #fire(): void {
    this.#timer = undefined
    // Once: what comes due while these are told is for the next timer, behind what I/O has brought by then.
    const now = this.#clock.now()
    const due = polledBy(this.#timerAt, now)
    const queue = this.#queue
    for (let item = queue.first; item !== undefined && item.deadline <= due; item = queue.first) {
      this.remove(item)
      item.expire(now - item.deadline)
    }
    this.#arm(this.#clock.now())
  }

  #arm(now: number): void {
    const { first } = this.#queue
    if (first === undefined || this.#timer !== undefined) return
    this.#timerAt = Math.max(first.deadline, now)
    this.#timer = this.#clock.setTimer(() => this.#fire(), first.deadline - now)
  }
}
