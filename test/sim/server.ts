import { ServerLoad } from './server-load.js'
import type { Timeline } from './timeline.js'
import type { Visit } from './visit.js'

/** How a server is built. */
export interface Machine {
  /** Requests that it works on at a time. */
  readonly cores: number
  /** What the registry says of it. */
  readonly weight: number
  /** How much slower the first request is than one when it is warm; 1: it never is cold. */
  readonly coldFactor: number
}

/** `failing`: answers 500 at once. `down`: refuses connections. */
export type ServerState = 'up' | 'failing' | 'down'

// Compiled code and filled caches come with requests, not with time.
const COLD_REQUESTS = 200

const FAIL_US = 1000

/**
 * A server: a queue, first come first served, and cores that take from it.
 * A change of its speed or cores is for requests that begin; those that have begun are not touched.
 */
export class SimServer {
  readonly name: number
  readonly machine: Machine
  state: ServerState = 'up'
  /** How many times longer than on its own everything takes. */
  slowdown = 1
  /** While clients know it, in milliseconds. */
  listedAt = 0
  unlistedAt: number = Infinity
  readonly #timeline: Timeline
  readonly #load = new ServerLoad()
  #cores: number
  #serving: Visit[] = []
  #waiting: Visit[] = []
  #served = 0

  constructor(name: number, machine: Machine, timeline: Timeline) {
    this.name = name
    this.machine = machine
    this.#cores = machine.cores
    this.#timeline = timeline
  }

  /** Requests that it has; it does not know who has gone away meanwhile. */
  get inflight(): number {
    return this.#serving.length + this.#waiting.length
  }

  /** How many cores it can have now: more than its own where the machine has them to spare, or fewer. */
  set cores(cores: number) {
    this.#cores = cores
    this.#fill()
  }

  arrive(visit: Visit): void {
    if (this.state === 'up') {
      visit.met = this.inflight
      this.#waiting.push(visit)
      this.#fill()
    } else if (this.state === 'failing') {
      this.#load.failed(this.#timeline.nowUs)
      visit.answer('error', FAIL_US)
    } else {
      visit.refuse()
    }
  }

  /** The work on a visit is done. */
  finish(visit: Visit): void {
    const { nowUs } = this.#timeline
    this.#serving.splice(this.#serving.indexOf(visit), 1)
    this.#served++
    this.#load.answered(nowUs - visit.arrivedUs, visit.met, nowUs)
    this.#fill()
    visit.answer('success', 0)
  }

  /** Loses all it has, and refuses what comes. */
  crash(): void {
    const lost = [...this.#serving, ...this.#waiting]
    this.#serving = []
    this.#waiting = []
    this.#load.use(0, this.#timeline.nowUs)
    this.state = 'down'
    for (const visit of lost) visit.reset()
  }

  /** What it says of its load: the value of a header `endpoint-load-metrics`. */
  report(): string {
    return this.#load.report(this.inflight, this.#timeline.nowUs)
  }

  #fill(): void {
    while (this.#serving.length < this.#cores) {
      const visit = this.#waiting.shift()
      if (visit === undefined) break
      // Whose caller has gone away is not begun: cancellation reaches the server.
      if (visit.abandoned) continue
      this.#serving.push(visit)
      visit.serve(Math.ceil(visit.request.workUs * this.slowdown * this.#coldness()))
    }
    this.#load.use(this.#serving.length / this.machine.cores, this.#timeline.nowUs)
  }

  #coldness(): number {
    return 1 + (this.machine.coldFactor - 1) * Math.max(0, 1 - this.#served / COLD_REQUESTS)
  }
}
