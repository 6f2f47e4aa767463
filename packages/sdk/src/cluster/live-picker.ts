import { explainPick } from '../balance/explain-pick.js'
import type { Balancer, PickContext, PickReport } from '../balance/picker.js'
import { tiers, type TieredPicker } from '../balance/priorities/priorities.js'
import type { Clock } from '../clock.js'
import { asError } from '../errors.js'
import type { KeyHash } from '../hashing/key-hash.js'
import type { Random } from '../random.js'
import type { Sessions } from '../sessions/sessions.js'
import { StickyPicker } from '../sessions/sticky-picker.js'
import { Beat } from './ticker.js'
import type { ClusterLog } from './cluster-log.js'
import type { Endpoint } from '../endpoint/endpoint.js'

export interface LivePickerOptions {
  /** Below this share of usable endpoints a level is balanced over all; 0: never. */
  readonly panicThreshold: number
  /** Undefined: no request has a session. */
  readonly sessions?: Sessions<Endpoint> | undefined
  readonly clock: Clock
  readonly random: Random
}

/**
 * The one picker of a cluster, through all its replacements: kept up to date as time passes and circuits change, and
 * kept from harming anybody but its own requests.
 */
export class LivePicker {
  readonly #options: LivePickerOptions
  readonly #log: ClusterLog
  readonly #beat: Beat
  #picker: TieredPicker<Endpoint> | undefined
  /** Is anybody there for whom it has to be kept up to date? */
  #used = false

  constructor(options: LivePickerOptions, log: ClusterLog) {
    this.#options = options
    this.#log = log
    this.#beat = new Beat(options.clock, () => this.refresh())
  }

  /** Is there a picker? */
  get made(): boolean {
    return this.#picker !== undefined
  }

  /** The levels of which too few endpoints are usable, so that all of them are used; the first first. */
  get panicking(): readonly number[] {
    return this.#picker?.panicking ?? []
  }

  /** An endpoint that has not failed this request already, or else one that has. */
  pick(context: PickContext<Endpoint>): Endpoint | undefined {
    const endpoint = this.#picker?.pick(context)
    if (endpoint !== undefined || context.tried.length === 0) return endpoint
    return this.#picker?.pick(new Untried(context))
  }

  /** Picks for nobody, and reports how. */
  explain(context: PickContext<Endpoint>, report: PickReport<Endpoint>): Endpoint | undefined {
    return this.#picker === undefined ? undefined : explainPick(this.#picker, context, report)
  }

  /**
   * Takes the place of the one before.
   *
   * @param makeBalancer Gives the balancer; it may be anybody's, and throw.
   * @param leftOut How many instances of each level are registered and left out.
   */
  replace(
    makeBalancer: () => Balancer,
    endpoints: readonly Endpoint[],
    leftOut: ReadonlyMap<number, number>,
  ): void {
    const { panicThreshold, sessions, random } = this.#options
    sessions?.adopt(endpoints)
    this.#retire(endpoints)
    try {
      const picker = tiers(makeBalancer(), endpoints, { leftOut, panicThreshold }, random)
      this.#picker = sessions === undefined ? picker : new StickyPicker(picker, sessions)
    } catch (thrown) {
      this.#break(thrown)
    }
    this.#keepTime()
    this.#log.panics(this.panicking)
  }

  /** A circuit has changed, or time has passed. */
  refresh(): void {
    // A circuit may change after the end, and nobody is to hear that a panic is over then.
    if (this.#picker === undefined) return
    try {
      this.#picker.refresh(Math.floor(this.#options.clock.now()))
    } catch (thrown) {
      this.#break(thrown)
    }
    this.#log.panics(this.panicking)
  }

  /** From now on it is refreshed once a second, if it asks for that. */
  start(): void {
    this.#used = true
    this.#keepTime()
  }

  /** Nobody needs what the passing of time changes. */
  stop(): void {
    this.#used = false
    this.#keepTime()
  }

  /** There are no more picks. */
  close(): void {
    this.#picker = undefined
    this.stop()
  }

  /**
   * What observed an endpoint was of the picker before. All of it ends here, and not with the `close` of a layer, which
   * may be anybody's and forget to pass it on, or with a picker that was never made to the end.
   */
  #retire(endpoints: readonly Endpoint[]): void {
    try {
      this.#picker?.close?.()
    } catch (thrown) {
      this.#log.broken(asError(thrown))
    }
    for (const endpoint of endpoints) endpoint.unobserveAll()
  }

  #keepTime(): void {
    if (this.#used && this.#picker?.ages === true) this.#beat.start()
    else this.#beat.stop()
  }

  /** What a balancer throws costs requests, not the process. */
  #break(thrown: unknown): void {
    const error = asError(thrown)
    this.#log.broken(error)
    this.#picker = broken(error)
  }
}

/** A request as if it had been to no endpoint yet, and without its session: where that is, it has just failed. */
class Untried implements PickContext<Endpoint> {
  readonly now: number
  readonly tried: readonly Endpoint[] = []
  readonly #context: PickContext<Endpoint>

  constructor(context: PickContext<Endpoint>) {
    this.now = context.now
    this.#context = context
  }

  get idempotent(): boolean | undefined {
    return this.#context.idempotent
  }

  /** Left to whoever reads it: not every balancer does. */
  get hash(): KeyHash | undefined {
    return this.#context.hash
  }
}

function broken(error: Error): TieredPicker<Endpoint> {
  return {
    ages: false,
    panicking: [],
    pick() {
      throw error
    },
    refresh: () => undefined,
  }
}
