import type { Clock, Timer } from '@fairlead/sdk'

/** Virtual time, as far as the globals go by it. */
export interface VirtualTime extends Clock {
  /** Something waits for a turn of the event loop. */
  unsettle(): void
}

/**
 * Runs `work` with the global timers on virtual time: nothing that takes no clock, as opossum does not, is to wait for the
 * real one. What the SDK puts off to the next turn of the event loop (a retry by `queueMicrotask`, a load probe by
 * `setImmediate`) has its turn in the real one, and the timeline has to wait for that.
 */
export async function onVirtualTimers(time: VirtualTime, work: () => Promise<void>): Promise<void> {
  const { setTimeout, clearTimeout, setImmediate, queueMicrotask } = globalThis
  Object.assign(globalThis, {
    setTimeout: (callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): Timer =>
      time.setTimer(() => callback(...args), delayMs),
    clearTimeout: (timer: NodeJS.Timeout | undefined): void => {
      if (timer === undefined) return
      time.clearTimer(timer)
      // It may have been set before, and each ignores what is not its own.
      clearTimeout(timer)
    },
    setImmediate: (callback: (...args: unknown[]) => void, ...args: unknown[]): NodeJS.Immediate => {
      time.unsettle()
      return setImmediate(callback, ...args)
    },
    queueMicrotask: (callback: () => void): void => {
      time.unsettle()
      queueMicrotask(callback)
    },
  })
  try {
    await work()
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout, setImmediate, queueMicrotask })
  }
}
