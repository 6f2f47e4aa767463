import type { Instance } from '@fairlead/sdk'
import { instanceAt } from '@fairlead/sdk/testing'
import { LOAD_HEADER } from '#sdk/orca/parse.js'
import { NETWORK_US } from './network.js'
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

/** `failing`: answers with an error at once. `silent`: takes what comes, and never answers. `down`: refuses connections. */
export type ServerState = 'up' | 'failing' | 'silent' | 'down'

// Compiled code and filled caches come with requests, not with time.
const COLD_REQUESTS = 200

const FAIL_US = 1000

const LOAD = Buffer.from(LOAD_HEADER)

/**
 * A server: a queue, first come first served, and cores that take from it.
 * A change of its speed or cores is for requests that begin; those that have begun are not touched.
 */
export class SimServer {
  /** What the registry says of it: the same object in each of its answers. */
  readonly instance: Instance
  readonly machine: Machine
  state: ServerState = 'up'
  /** While it is failing: the status of its errors, and that every so many-th request gets one. */
  error: { readonly status: number; readonly every: number } = { status: 500, every: 1 }
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
  /** Requests while it was failing. */
  #failing = 0

  constructor(name: number, machine: Machine, timeline: Timeline) {
    this.instance = instanceAt(`http://10.0.0.1:${name}`, { weight: machine.weight })
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
    if (this.state === 'down') {
      visit.reset()
    } else if (visit.workUs === undefined) {
      // It is asked for its load. One that fails at everything fails at that as well.
      if (this.state === 'up') this.#answer(visit, 200, 0)
      else if (this.state === 'failing') visit.return({ status: 500, headers: [] }, NETWORK_US)
    } else if (this.state === 'silent') {
      // Its sender gives up.
    } else if (this.state === 'up' || ++this.#failing % this.error.every > 0) {
      visit.met = this.inflight
      this.#waiting.push(visit)
      this.#fill()
    } else {
      this.#load.failed(this.#timeline.nowUs)
      this.#answer(visit, this.error.status, FAIL_US)
    }
  }

  /** The work on a visit is done. */
  finish(visit: Visit): void {
    const { nowUs } = this.#timeline
    this.#serving.splice(this.#serving.indexOf(visit), 1)
    this.#served++
    this.#load.answered(nowUs - visit.arrivedUs, visit.met, nowUs)
    this.#fill()
    this.#answer(visit, 200, 0)
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

  #answer(visit: Visit, status: number, delayUs: number): void {
    const report = Buffer.from(this.#report(), 'latin1')
    visit.return({ status, headers: [LOAD, report] }, delayUs + NETWORK_US)
  }

  /** What it says of its load: the value of a header `endpoint-load-metrics`. */
  #report(): string {
    return this.#load.report(this.inflight, this.#timeline.nowUs)
  }

  #fill(): void {
    while (this.#serving.length < this.#cores) {
      const visit = this.#waiting.shift()
      if (visit === undefined) break
      // Whose caller has gone away is not begun: cancellation reaches the server.
      if (visit.abandoned) continue
      this.#serving.push(visit)
      visit.serve(Math.ceil((visit.workUs ?? 0) * this.slowdown * this.#coldness()))
    }
    this.#load.use(this.#serving.length / this.machine.cores, this.#timeline.nowUs)
  }

  #coldness(): number {
    return 1 + (this.machine.coldFactor - 1) * Math.max(0, 1 - this.#served / COLD_REQUESTS)
  }
}
