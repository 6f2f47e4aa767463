import { answered, difference, type Tally, type Traffic } from './traffic.js'

// Long enough for a share to mean something, short enough to see a change.
const WINDOW_MS = 2000

/** What a client did in the last two seconds. */
export class Meter {
  readonly traffic: Traffic
  #samples: { readonly at: number; readonly tally: Tally }[] = []

  constructor(traffic: Traffic) {
    this.traffic = traffic
  }

  /** Looks at the client; to be called a few times a second. */
  sample(): void {
    const at = performance.now()
    this.#samples = [
      ...this.#samples.filter((sample) => at - sample.at <= WINDOW_MS),
      { at, tally: this.traffic.tally() },
    ]
  }

  get recent(): Tally {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    return first === undefined || last === undefined
      ? { ok: new Map(), failed: 0 }
      : difference(last.tally, first.tally)
  }

  /** Answers a second. */
  get rate(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    const elapsed = (last?.at ?? 0) - (first?.at ?? 0)
    return elapsed === 0 ? 0 : (answered(this.recent) / elapsed) * 1000
  }
}
