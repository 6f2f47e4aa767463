import type { Clock } from '../../clock.js'
import type { RecentLatency } from '../recent-latency.js'
import { Silence, type Allowance, type Watched } from './silence.js'
import type { StallSettings } from './stall-options.js'

/** How often it looks while answers are owed. */
const PERIOD_MS = 50

/** How long it waits at most before it asks one more endpoint whether it is us. */
const LONGEST_PAUSE_MS = 5000

/**
 * Finds the endpoints of a client that are stalled: that owe answers, and from which no byte has come on any connection
 * for much longer than an answer takes, although others answer. A process that is stopped, a machine that is gone and a
 * network that drops packets have in common that nothing is refused, so that each request costs its whole deadline.
 *
 * A slow answer is no stall: before an endpoint is taken for stalled it is asked something that takes no work, and has as
 * long again to answer that. Nor is our own delay one: time counts by looks, each as 50 ms however late it comes, and
 * behind what had come in by then.
 *
 * Made with a clock of the background. It costs an increment for each piece of a response, and a timer while answers are
 * owed.
 */
export class StallDetector {
  readonly #settings: StallSettings
  readonly #recent: RecentLatency
  readonly #allowance: Allowance
  readonly #clock: Clock
  readonly #silences = new Set<Silence>()
  readonly #begin = (): void => this.#arm()
  #armed = false
  /** How long ago an endpoint was heard, in looks. */
  #sinceHeard = 0
  /** Until another one is consulted, in looks; and how many were, without any having been heard since. */
  #untilConsulted = 0
  #consulted = 0

  constructor(settings: StallSettings, recent: RecentLatency, allowance: Allowance, clock: Clock) {
    this.#settings = settings
    this.#recent = recent
    this.#allowance = allowance
    this.#clock = clock
  }

  watch(endpoint: Watched): Silence {
    const silence = new Silence(endpoint, this.#begin)
    this.#silences.add(silence)
    return silence
  }

  /** Its endpoint is gone. */
  unwatch(silence: Silence): void {
    silence.close()
    this.#silences.delete(silence)
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    this.#clock.setTimer(() => this.#look(), PERIOD_MS)
  }

  #look(): void {
    this.#armed = false
    const now = this.#clock.now()
    this.#sinceHeard++
    for (const silence of this.#silences) if (silence.listen(now)) this.#heard()
    const { minSilenceMs, latencyFactor } = this.#settings
    const limitMs = Math.max(minSilenceMs, latencyFactor * (this.#recent.quantile(0.99) ?? 0))
    // Whoever is silent has not been heard for longer than that.
    const othersHeard = this.#sinceHeard * PERIOD_MS <= limitMs / 2
    const ofQuiet = othersHeard ? this.#allowance : this.#onlyOne()
    let active = false
    for (const silence of this.#silences) {
      const allowance = silence.quiet ? ofQuiet : this.#allowance
      silence.look(PERIOD_MS, limitMs, othersHeard, allowance, now)
      active ||= silence.active
    }
    if (!othersHeard) this.#consult(limitMs)
    if (active) this.#arm()
  }

  /** Where all are silent it is probably us, and one question is enough to find out; of one endpoint nothing can be said. */
  #onlyOne(): Allowance {
    let free = this.#silences.size > 1 && this.#suspect === undefined
    return () => {
      const allowed = free && this.#allowance()
      free = false
      return allowed
    }
  }

  /**
   * Where all requests have come to stand at one endpoint, as the few of a pool of workers do at one that is frozen, no
   * other one has anything to answer: one of these is asked, so that it is known whether it is us.
   */
  #consult(limitMs: number): void {
    const suspect = this.#suspect
    if (suspect === undefined || --this.#untilConsulted > 0) return
    const others = [...this.#silences].filter((silence) => silence !== suspect && silence.quiet)
    const other = others[this.#consulted % others.length]
    if (other?.consult(this.#allowance) !== true) return
    // It is asked again in time to be heard when the suspect is judged, and ever less often where it is us.
    const pauseMs = Math.min((limitMs / 4) * 2 ** this.#consulted, LONGEST_PAUSE_MS)
    this.#untilConsulted = Math.ceil(pauseMs / PERIOD_MS)
    this.#consulted++
  }

  get #suspect(): Silence | undefined {
    for (const silence of this.#silences) if (silence.suspect) return silence
    return undefined
  }

  #heard(): void {
    this.#sinceHeard = 0
    this.#consulted = 0
    this.#untilConsulted = 0
  }
}
