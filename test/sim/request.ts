import type { PickContext } from '@fairlead/sdk'
import type { Deadlined } from '#sdk/resilience/deadline.js'
import type { SimEndpoint } from './endpoint.js'
import type { Tally } from './tally.js'
import type { Visit } from './visit.js'

/** Who decides what becomes of a request. */
export interface RequestOwner {
  /** Its time is over. */
  expired(request: SimRequest): void
}

const NONE: readonly never[] = Object.freeze([])

/** One request of a client, over all its attempts; what a pick is told, as the SDK's own `Call` is. */
export class SimRequest implements PickContext<SimEndpoint>, Deadlined {
  /** Whole milliseconds, as pickers want it. */
  now: number
  tried: readonly SimEndpoint[] = NONE
  deadline = 0
  before: Deadlined | undefined
  after: Deadlined | undefined
  readonly startedMs: number
  /** What it takes on an idle core. */
  readonly workUs: number
  readonly tally: Tally
  /** The attempt that is under way. */
  visit: Visit | undefined
  readonly #owner: RequestOwner

  constructor(workUs: number, tally: Tally, startedMs: number, owner: RequestOwner) {
    this.workUs = workUs
    this.tally = tally
    this.startedMs = startedMs
    this.now = Math.floor(startedMs)
    this.#owner = owner
  }

  expire(): void {
    this.#owner.expired(this)
  }
}
