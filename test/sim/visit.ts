import type { TransportRequest } from '#sdk/transport/transport.js'
import { NETWORK_US } from './network.js'
import type { SimServer } from './server.js'
import { Happening, type Timeline } from './timeline.js'

/** What a visit comes back with: the status and headers of a response, or the error of its connection. */
export type Answer = { readonly status: number; readonly headers: Buffer[] } | { readonly error: Error }

/** One request on the network: on its way to a server, in its hands, and on its way back. */
export class Visit extends Happening {
  /** Microseconds that it takes on an idle core; undefined: it asks for the server's load, which takes none. */
  readonly workUs: number | undefined
  /** Its sender no longer waits for it. */
  abandoned = false
  arrivedUs = 0
  /** Requests that it met at the server. */
  met = 0
  readonly #request: TransportRequest
  readonly #server: SimServer
  readonly #timeline: Timeline
  #phase: 'outward' | 'serving' | 'returning' | 'lost' = 'outward'
  #answer: Answer | undefined

  constructor(request: TransportRequest, workUs: number | undefined, server: SimServer, timeline: Timeline) {
    super()
    this.workUs = workUs
    this.#request = request
    this.#server = server
    this.#timeline = timeline
  }

  happen(): void {
    if (this.#phase === 'outward') {
      this.arrivedUs = this.at
      this.#server.arrive(this)
    } else if (this.#phase === 'serving') {
      this.#server.finish(this)
    } else if (this.#phase === 'returning') {
      this.#deliver()
    }
  }

  /** Sends it on its way. */
  depart(): void {
    this.#timeline.schedule(this, NETWORK_US)
  }

  serve(durationUs: number): void {
    this.#phase = 'serving'
    this.#timeline.schedule(this, durationUs)
  }

  /** Its sender hears of it in so many microseconds. */
  return(answer: Answer, delayUs: number): void {
    this.#phase = 'returning'
    this.#answer = answer
    this.#timeline.schedule(this, delayUs)
  }

  /** The server has gone with it. */
  reset(): void {
    // What is scheduled for it, the end of its work, must come to nothing.
    this.#phase = 'lost'
    this.#answer = { error: connectionError('ECONNRESET') }
    this.#timeline.after(NETWORK_US / 1000, () => this.#deliver())
  }

  #deliver(): void {
    const answer = this.#answer
    if (this.abandoned || answer === undefined) return
    const request = this.#request
    if ('error' in answer) {
      request.onError(answer.error)
      return
    }
    request.onResponseStarted?.()
    request.onHeaders(answer.status, answer.headers, () => undefined, '')
    request.onComplete([])
  }
}

/** As Node has it. */
export function connectionError(code: string): Error {
  return Object.assign(new Error(code), { code })
}
