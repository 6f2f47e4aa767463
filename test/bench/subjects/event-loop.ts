/** What a process has used in between. */
export interface Usage {
  /** CPU of all threads. */
  readonly cpuMs: number
  readonly wallMs: number
  /** The longest time between two turns of the event loop, by the clock; undefined where it was not watched. */
  readonly stallMs: number | undefined
  /** The same by the clock or by CPU, whichever is less in each turn: work of others on the core is not our stall. */
  readonly ownStallMs: number | undefined
}

/** The machine's clock, which is the same for all of its processes. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Begins to count. @param watched Also watch the event loop, which takes all the CPU that is left. */
export function startUsage(watched: boolean): () => Usage {
  const turns = watched ? new Turns() : undefined
  const startedAt = monotonicMs()
  const cpuBefore = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(cpuBefore)
    turns?.stop()
    return {
      cpuMs: (user + system) / 1000,
      wallMs: monotonicMs() - startedAt,
      stallMs: turns?.longestMs,
      ownStallMs: turns?.longestOwnMs,
    }
  }
}

/** Turns the event loop without a pause and looks how long each turn takes. */
class Turns {
  longestMs = 0
  longestOwnMs = 0
  #at = monotonicMs()
  #cpuMs = cpuMs()
  #stopped = false

  constructor() {
    setImmediate(this.#turn)
  }

  stop(): void {
    this.#stopped = true
    this.#measure()
  }

  readonly #turn = (): void => {
    if (this.#stopped) return
    this.#measure()
    setImmediate(this.#turn)
  }

  #measure(): void {
    const at = monotonicMs()
    const cpu = cpuMs()
    this.longestMs = Math.max(this.longestMs, at - this.#at)
    // The clock counts what others did on the core, and CPU what our other threads did beside us.
    this.longestOwnMs = Math.max(this.longestOwnMs, Math.min(at - this.#at, cpu - this.#cpuMs))
    this.#at = at
    this.#cpuMs = cpu
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
