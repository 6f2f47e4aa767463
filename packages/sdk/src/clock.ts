import { inOwnContext } from './runtime/own-context.js'

/** A pending timer; opaque, only good for {@link Clock.clearTimer}. */
export type Timer = object

/** Time as an argument: everything in Fairlead that waits or measures is handed one of these. */
export interface Clock {
  /** Monotonic time in milliseconds, with a fraction. The origin is arbitrary. */
  now(): number
  /** Unix time in milliseconds: only to date what outlives the process; it may jump. */
  unixTime(): number
  /**
   * Calls `callback` once, `delayMs` milliseconds from now, and behind what I/O has brought by then: what was answered
   * while the event loop stood still is not to be taken for missing. In no request's async context. A timer that has `unref`, as Node's have, can be unreferenced, so that it does not keep the process alive.
   */
  setTimer(callback: () => void, delayMs: number): Timer
  /** Forgets a timer; one that has fired already is ignored. */
  clearTimer(timer: Timer): void
}

// Node turns a longer delay into 1 ms; what never ends has to stay far away.
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** The machine's own clock: `performance.now()` and `setTimeout`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  unixTime: () => Date.now(),
  setTimer: (callback, delayMs) => inOwnContext(() => new SystemTimer(callback, delayMs)),
  clearTimer: (timer) => (timer as SystemTimer).clear(),
}

/** After a time, and then after one poll for I/O: node runs timers first when the loop was held up. */
class SystemTimer {
  readonly #timeout: NodeJS.Timeout
  #turn: NodeJS.Immediate | undefined

  constructor(callback: () => void, delayMs: number) {
    this.#timeout = setTimeout(
      () => (this.#turn = setImmediate(callback)),
      Math.min(delayMs, LONGEST_DELAY_MS),
    )
  }

  unref(): void {
    this.#timeout.unref()
  }

  clear(): void {
    clearTimeout(this.#timeout)
    if (this.#turn !== undefined) clearImmediate(this.#turn)
  }
}

/**
 * The same time, for background work: watches, heartbeats, what expires. Its timers do not keep a process
 * alive that has nothing else to do. A clock whose timers cannot be unreferenced, such as a test's, is as it was.
 */
export function inBackground(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    unixTime: () => clock.unixTime(),
    setTimer: (callback, delayMs) => {
      const timer = clock.setTimer(callback, delayMs) as Partial<NodeJS.Timeout>
      timer.unref?.()
      return timer
    },
    clearTimer: (timer) => clock.clearTimer(timer),
  }
}

/** Has it aborted by now? A function, as the compiler takes a property that was false to stay false. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

/** Resolves when the event loop has turned, so that all else that is ready has had its turn: no time, and no clock's. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Resolves after `delayMs` milliseconds, or at once when `signal` aborts: callers look at the signal. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const timer = clock.setTimer(done, delayMs)
    signal.addEventListener('abort', done, { once: true })
    function done(): void {
      clock.clearTimer(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
  })
}
