import type { Clock } from '../clock.js'

/** A state with the time it began, and a condition that any number may wait for. */
export class StateWatch<S extends string> {
  #state: S
  /** Unix milliseconds. */
  #since: number
  readonly #clock: Clock
  readonly #watchers = new Set<() => void>()

  constructor(state: S, clock: Clock) {
    this.#state = state
    this.#since = clock.unixTime()
    this.#clock = clock
  }

  get state(): S {
    return this.#state
  }

  /** Since when; Unix milliseconds. */
  get since(): number {
    return this.#since
  }

  /** Has every waiter check its condition, also when it is the state that it was. */
  set(state: S): void {
    if (state !== this.#state) {
      this.#state = state
      this.#since = this.#clock.unixTime()
    }
    for (const watcher of [...this.#watchers]) watcher()
  }

  /** Resolves to true when the condition holds, and to false after `timeoutMs` milliseconds, or when `signal` aborts. */
  until(condition: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (condition()) return Promise.resolve(true)
    if (signal?.aborted === true) return Promise.resolve(false)
    return new Promise((resolve) => {
      const settle = (met: boolean): void => {
        this.#watchers.delete(look)
        signal?.removeEventListener('abort', stop)
        if (timer !== undefined) this.#clock.clearTimer(timer)
        resolve(met)
      }
      const look = (): void => {
        if (condition()) settle(true)
      }
      const stop = (): void => settle(false)
      const timer = timeoutMs === Infinity ? undefined : this.#clock.setTimer(stop, timeoutMs)
      this.#watchers.add(look)
      signal?.addEventListener('abort', stop)
    })
  }
}
