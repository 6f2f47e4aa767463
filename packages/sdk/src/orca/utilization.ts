import { availableParallelism } from 'node:os'
import type { Clock } from '../clock.js'

// Long enough to be more than the last request, short enough for who looks once a second.
const PERIOD_MS = 1000

interface Sample {
  readonly at: number
  readonly loop: ReturnType<typeof performance.eventLoopUtilization>
  readonly cpu: NodeJS.CpuUsage
}

/** How busy this process has been in the last one to two seconds, or since it was last looked at, if that is longer ago. */
export class Utilization {
  readonly #clock: Clock
  readonly #cores = availableParallelism()
  #before: Sample
  #last: Sample

  constructor(clock: Clock) {
    this.#clock = clock
    this.#before = this.#sample()
    this.#last = this.#before
  }

  /** The part of the time that the event loop was at work: what a process of Node runs out of first. */
  get loop(): number {
    this.#turn()
    return performance.eventLoopUtilization(performance.eventLoopUtilization(), this.#before.loop).utilization
  }

  /** The part of the machine's processors that the process has used. */
  get cpu(): number {
    this.#turn()
    const elapsedMs = this.#clock.now() - this.#before.at
    const { user, system } = process.cpuUsage(this.#before.cpu)
    return elapsedMs > 0 ? (user + system) / 1000 / elapsedMs / this.#cores : 0
  }

  #turn(): void {
    if (this.#clock.now() - this.#last.at < PERIOD_MS) return
    this.#before = this.#last
    this.#last = this.#sample()
  }

  #sample(): Sample {
    return { at: this.#clock.now(), loop: performance.eventLoopUtilization(), cpu: process.cpuUsage() }
  }
}
