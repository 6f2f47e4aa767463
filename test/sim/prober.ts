import { NETWORK_US } from './network.js'
import type { SimServer } from './server.js'
import type { Timeline } from './timeline.js'

// As the SDK does: what has brought no report is let be for a while.
const PAUSE_MS = 30_000

/** Asks a server for its load: one question at a time, there and back over the network, and no work for its cores. */
export class SimProber {
  readonly #server: SimServer
  readonly #timeline: Timeline
  readonly #onReport: (report: string) => void
  #asking = false
  #pausedUntil = 0

  constructor(server: SimServer, timeline: Timeline, onReport: (report: string) => void) {
    this.#server = server
    this.#timeline = timeline
    this.#onReport = onReport
  }

  ask(): void {
    const timeline = this.#timeline
    if (this.#asking || timeline.now() < this.#pausedUntil) return
    this.#asking = true
    timeline.after(NETWORK_US / 1000, () => {
      const report = this.#server.state === 'up' ? this.#server.report() : undefined
      timeline.after(NETWORK_US / 1000, () => {
        this.#asking = false
        if (report === undefined) this.#pausedUntil = timeline.now() + PAUSE_MS
        else this.#onReport(report)
      })
    })
  }
}
