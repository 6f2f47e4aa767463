import { errors } from 'undici'
import type { Transport, TransportRequest } from '#sdk/transport/transport.js'
import { REFUSAL_US } from './network.js'
import type { SimOptions } from './request.js'
import type { SimServer } from './server.js'
import type { Timeline } from './timeline.js'
import { connectionError, Visit } from './visit.js'

/** Carries the requests of one client to one server, and the answers back. Connections are there already. */
export class SimTransport implements Transport {
  readonly #server: SimServer
  readonly #timeline: Timeline
  /** Requests under way. */
  readonly #carried = new Set<TransportRequest>()
  #closed = false
  #drained: (() => void) | undefined

  constructor(server: SimServer, timeline: Timeline) {
    this.#server = server
    this.#timeline = timeline
  }

  /** One for each request under way. */
  get connections(): number {
    return this.#carried.size
  }

  send(request: TransportRequest): void {
    if (this.#closed) {
      request.onError(new errors.ClientClosedError())
      return
    }
    this.#carried.add(request)
    const { options } = request
    const workUs = isWork(options) ? options.workUs : undefined
    if (isWork(options)) options.tally.sent(this.#server)
    const visit = new Visit(request, workUs, this.#server, this.#timeline)
    request.carrier = visit
    if (this.#server.state === 'down') {
      visit.return({ error: connectionError('ECONNREFUSED') }, REFUSAL_US)
      return
    }
    visit.depart()
    request.onConnect(() => (visit.abandoned = true))
    request.onRequestSent?.()
  }

  /** No connection is ever closed behind an answer. */
  preconnect(): void {}

  resend(): boolean {
    return false
  }

  release(request: TransportRequest): void {
    if (request.carrier instanceof Visit) request.carrier.abandoned = true
    this.#carried.delete(request)
    if (this.#carried.size === 0) this.#drained?.()
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#carried.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
  }

  destroy(error: Error): Promise<void> {
    this.#closed = true
    for (const request of [...this.#carried]) request.onError(error)
    return Promise.resolve()
  }
}

/** Anything else asks for the server's load. */
function isWork(options: TransportRequest['options']): options is SimOptions {
  return 'workUs' in options
}
