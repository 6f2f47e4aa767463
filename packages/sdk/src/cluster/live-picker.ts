import { explainPick } from '../balance/explain-pick.js'
import type { Balancer, PickContext, PickReport } from '../balance/picker.js'
import { priorities, type PriorityPicker } from '../balance/priorities/priorities.js'
import type { Clock } from '../clock.js'
import { asError } from '../errors.js'
import type { BalancerStep } from '../observe/events.js'
import type { KeyHash } from '../hashing/key-hash.js'
import type { Random } from '../random.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { ClusterNews } from './news.js'
import { Ticker } from './ticker.js'

/** Stands around the picker of every set, outside of priorities: no weight, priority or retention moves what it decides. */
export interface OuterLayer {
  /** Makes ready for these endpoints, in steps for a turn of the event loop each. */
  prepare(endpoints: Iterable<Endpoint>): Generator<void, void>
  /** From now on these are the endpoints, and this is the picker behind it. */
  wrap(next: PriorityPicker<Endpoint>, endpoints: readonly Endpoint[]): PriorityPicker<Endpoint>
}

export interface LivePickerOptions {
  /** Below this share of available endpoints a priority is balanced over all; 0: never. */
  readonly panicThreshold: number
  /** The first is innermost. */
  readonly outerLayers: readonly OuterLayer[]
  readonly clock: Clock
  readonly random: Random
}

/**
 * The one picker of a cluster, through all its replacements: kept up to date as time passes and circuits change, and
 * kept from harming any but its own requests.
 */
export class LivePicker {
  readonly #options: LivePickerOptions
  readonly #news: ClusterNews
  readonly #ticker: Ticker
  #picker: PriorityPicker<Endpoint> | undefined
  /** Without the outer layers. */
  #inner: PriorityPicker<Endpoint> | undefined
  /** What it was made of. */
  #endpoints: readonly Endpoint[] = []
  /** In what it has thrown: told once for each picker, not once a request or a second. */
  readonly #failedIn = new Set<BalancerStep>()
  /** Is it in use, so that it has to be kept up to date? */
  #used = false

  constructor(options: LivePickerOptions, news: ClusterNews) {
    this.#options = options
    this.#news = news
    this.#ticker = new Ticker(options.clock, () => this.refresh())
  }

  /** Is there a picker? */
  get made(): boolean {
    return this.#picker !== undefined
  }

  /** The priorities of which too few endpoints are available, so that all of them are used; the first first. */
  get inPanic(): readonly number[] {
    return this.#picker?.inPanic ?? []
  }

  /**
   * An endpoint that this request has not tried, or else one that it has.
   *
   * @param mayRepeat May it be one that it has tried? Not for an attempt that is to run beside another one.
   */
  pick(context: PickContext<Endpoint>, mayRepeat = true): Endpoint | undefined {
    try {
      const endpoint = this.#picker?.pick(context)
      if (endpoint !== undefined || !mayRepeat || context.tried.length === 0) return endpoint
      // What an outer layer prefers has just failed.
      return this.#inner?.pick(new Untried(context))
    } catch (thrown) {
      this.#tell('pick', thrown)
      throw thrown
    }
  }

  /** Picks without a request, and reports how. */
  explain(context: PickContext<Endpoint>, report: PickReport<Endpoint>): Endpoint | undefined {
    return this.#picker === undefined ? undefined : explainPick(this.#picker, context, report)
  }

  /**
   * Takes the place of the one before.
   *
   * @param makeBalancer Gives the balancer; it may be the user's, and throw.
   * @param excluded How many instances of each priority are registered and excluded.
   */
  replace(
    makeBalancer: () => Balancer,
    endpoints: readonly Endpoint[],
    excluded: ReadonlyMap<number, number>,
  ): void {
    const { panicThreshold, outerLayers, random } = this.#options
    this.#retire()
    this.#endpoints = endpoints
    // One that stays may still be observed by a picker that was never made to the end.
    unobserve(endpoints)
    try {
      this.#inner = priorities(makeBalancer(), endpoints, { excluded, panicThreshold }, random)
      this.#picker = outerLayers.reduce((next, layer) => layer.wrap(next, endpoints), this.#inner)
    } catch (thrown) {
      this.#tell('build', thrown)
      this.#discard(this.#inner)
      unobserve(endpoints)
      this.#inner = this.#picker = broken(asError(thrown))
    }
    this.#keepTime()
    this.#news.panics(this.inPanic)
  }

  /** The availability of an endpoint has changed, or time has passed. */
  refresh(): void {
    // One may change after the end, and that a panic is over then is no news.
    if (this.#picker === undefined) return
    try {
      this.#picker.refresh(Math.floor(this.#options.clock.now()))
    } catch (thrown) {
      // It picks on with what it knows, which is better than nothing until there is another set.
      this.#tell('refresh', thrown)
      this.#keepTime()
    }
    this.#news.panics(this.inPanic)
  }

  /** From now on it is refreshed once a second, if it asks for that. */
  start(): void {
    this.#used = true
    this.#keepTime()
  }

  /** What the passing of time changes is not needed. */
  stop(): void {
    this.#used = false
    this.#keepTime()
  }

  /** There are no more picks. */
  close(): void {
    this.#retire()
    this.stop()
  }

  /**
   * What observed its endpoints was of this picker. All of it ends here, and not with the `close` of a layer, which may
   * be the user's and forget to pass it on.
   */
  #retire(): void {
    this.#discard(this.#picker)
    unobserve(this.#endpoints)
    this.#picker = undefined
    this.#inner = undefined
    this.#endpoints = []
    this.#failedIn.clear()
  }

  #discard(picker: PriorityPicker<Endpoint> | undefined): void {
    try {
      picker?.close?.()
    } catch (thrown) {
      this.#tell('close', thrown)
    }
  }

  #keepTime(): void {
    if (this.#used && this.#picker?.needsRefresh === true) this.#ticker.start()
    else this.#ticker.stop()
  }

  /** What a balancer throws costs requests, not the process. */
  #tell(during: BalancerStep, thrown: unknown): void {
    // Where it could not be made, each pick throws what that threw.
    if (this.#failedIn.has(during) || this.#failedIn.has('build')) return
    this.#failedIn.add(during)
    this.#news.broken(during, asError(thrown))
  }
}

function unobserve(endpoints: readonly Endpoint[]): void {
  for (const endpoint of endpoints) endpoint.unobserveAll()
}

/** A request as if it had been to no endpoint yet. */
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

  get headers(): PickContext['headers'] {
    return this.#context.headers
  }

  /** Computed where it is read: not every balancer does. */
  get hash(): KeyHash | undefined {
    return this.#context.hash
  }
}

function broken(error: Error): PriorityPicker<Endpoint> {
  return {
    needsRefresh: false,
    inPanic: [],
    pick() {
      throw error
    },
    refresh: () => undefined,
  }
}
