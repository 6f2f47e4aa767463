import { growth } from './heap-growth.js'
import type { Loop } from './pick-loops.js'

// Enough for a tenth of a byte a pick to show, few enough for 200 bytes a pick to stay in the young generation.
const COUNTED_PICKS = 200_000
// What takes longer than a pick should is counted for as long as this, and shows with fewer picks.
const COUNTED_MS = 40
// Between two looks at the clock: seldom enough not to be measured, often enough to stop in time.
const BATCH = 1000
const BATCH_MS = 1

/** Measures one loop: of picks, or of whatever else is done many times. */
export class Stopwatch {
  readonly #loop: Loop
  #batch = 1

  constructor(loop: Loop) {
    this.#loop = loop
  }

  /** Nanoseconds each: of CPU, which on a quiet machine is the same as by the clock, and on another still true. */
  time(milliseconds: number): number {
    const cpuBefore = process.cpuUsage()
    const until = performance.now() + milliseconds
    let picks = 0
    for (let now = performance.now(); now < until;) {
      this.#loop.run(this.#batch)
      picks += this.#batch
      const after = performance.now()
      if (after - now < BATCH_MS / 2) this.#batch = Math.min(BATCH, 2 * this.#batch)
      now = after
    }
    const { user, system } = process.cpuUsage(cpuBefore)
    return ((user + system) * 1000) / picks
  }

  /** Bytes each, less what looking at the heap takes itself. */
  async bytes(ns: number): Promise<number | undefined> {
    const picks = ns <= 200 ? COUNTED_PICKS : Math.ceil(Math.min(COUNTED_PICKS, (COUNTED_MS * 1e6) / ns) / 2)
    const idle = await growth(() => this.#loop.run(0))
    const busy = await growth(() => this.#loop.run(picks))
    if (idle === undefined || busy === undefined) return undefined
    return Math.max(0, busy - idle) / picks
  }
}
