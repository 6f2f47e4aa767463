import type { SimEndpoint } from './endpoint.js'
import { NETWORK_US, REFUSAL_US } from './network.js'
import type { SimRequest } from './request.js'
import { Happening, type Timeline } from './timeline.js'

/** `error`: a response of status 500. `refused`: no connection, so that nothing was written. `reset`: it broke off. */
export type Ending = 'success' | 'error' | 'refused' | 'reset'

/** Who sent it. */
export interface Sender {
  returned(visit: Visit): void
}

/** One attempt of a request: on its way to a server, in its hands, and on its way back. */
export class Visit extends Happening {
  readonly request: SimRequest
  readonly endpoint: SimEndpoint
  readonly permit: number
  readonly startedMs: number
  ending: Ending = 'success'
  /** The header `endpoint-load-metrics` of its response; undefined: nobody wants to know. */
  report: string | undefined
  /** Its sender no longer waits for it. */
  abandoned = false
  arrivedUs = 0
  /** Requests that it met at the server. */
  met = 0
  readonly #sender: Sender
  readonly #timeline: Timeline
  #phase: 'outward' | 'serving' | 'returning' | 'lost' = 'outward'

  constructor(
    request: SimRequest,
    endpoint: SimEndpoint,
    permit: number,
    sender: Sender,
    timeline: Timeline,
  ) {
    super()
    this.request = request
    this.endpoint = endpoint
    this.permit = permit
    this.startedMs = timeline.now()
    this.#sender = sender
    this.#timeline = timeline
    timeline.schedule(this, NETWORK_US)
  }

  happen(): void {
    if (this.#phase === 'outward') {
      this.arrivedUs = this.at
      this.endpoint.server.arrive(this)
    } else if (this.#phase === 'serving') {
      this.endpoint.server.finish(this)
    } else if (this.#phase === 'returning') {
      this.#sender.returned(this)
    }
  }

  serve(durationUs: number): void {
    this.#phase = 'serving'
    this.#timeline.schedule(this, durationUs)
  }

  answer(ending: Ending, delayUs: number): void {
    this.report = this.endpoint.backendLoad !== undefined ? this.endpoint.server.report() : undefined
    this.#return(ending, delayUs + NETWORK_US)
  }

  refuse(): void {
    this.#return('refused', REFUSAL_US - NETWORK_US)
  }

  /** The server has gone with it. */
  reset(): void {
    // What is scheduled for it, the end of its work, must come to nothing.
    this.#phase = 'lost'
    this.ending = 'reset'
    this.#timeline.after(NETWORK_US / 1000, () => this.#sender.returned(this))
  }

  #return(ending: Ending, delayUs: number): void {
    this.ending = ending
    this.#phase = 'returning'
    this.#timeline.schedule(this, delayUs)
  }
}
