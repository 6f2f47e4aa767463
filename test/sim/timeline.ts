import TinyQueue from 'tinyqueue'
import type { Clock, Timer } from '@fairlead/sdk'

/** Something that happens at a time. An object of its own for each, so that nothing is allocated to schedule it. */
export abstract class Happening {
  /** Whole microseconds. Written by the timeline. */
  at = 0
  order = 0
  abstract happen(): void
}

/**
 * Virtual time: what is scheduled happens in order, of equals the first scheduled first, and nothing takes time but
 * waiting. Whole microseconds, which V8 keeps as small integers for the first half hour.
 */
export class Timeline implements Clock {
  readonly #queue = new TinyQueue<Happening>([], sooner)
  #nowUs = 0
  #scheduled = 0

  get nowUs(): number {
    return this.#nowUs
  }

  now(): number {
    return this.#nowUs / 1000
  }

  unixTime(): number {
    return this.now()
  }

  schedule(happening: Happening, delayUs: number): void {
    happening.at = this.#nowUs + delayUs
    happening.order = this.#scheduled++
    this.#queue.push(happening)
  }

  /** Calls back `delayMs` milliseconds from now. */
  after(delayMs: number, callback: () => void): void {
    this.schedule(new Callback(callback), Math.round(delayMs * 1000))
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = new Callback(callback)
    // Never at once: a timer that is early by a rounding error would be set again for no time, for ever.
    this.schedule(timer, Math.max(1, Math.ceil(delayMs * 1000)))
    return timer
  }

  clearTimer(timer: Timer): void {
    if (timer instanceof Callback) timer.cancelled = true
  }

  /** Lets all happen that falls due until `endUs`, and stands there then. */
  runUntil(endUs: number): void {
    for (let next = this.#queue.peek(); next !== undefined && next.at <= endUs; next = this.#queue.peek()) {
      this.#queue.pop()
      this.#nowUs = next.at
      next.happen()
    }
    this.#nowUs = endUs
  }
}

class Callback extends Happening {
  cancelled = false
  readonly #callback: () => void

  constructor(callback: () => void) {
    super()
    this.#callback = callback
  }

  happen(): void {
    if (!this.cancelled) this.#callback()
  }
}

function sooner(a: Happening, b: Happening): number {
  return a.at - b.at || a.order - b.order
}
