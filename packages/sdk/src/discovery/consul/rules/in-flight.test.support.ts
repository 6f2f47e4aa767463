import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** Requests of undici's that are on their way to one origin, told apart by whether they are being answered. */
export class InFlight {
  readonly #origin: string
  readonly #requests = new Map<object, 'asked' | 'answered'>()

  constructor(origin: string) {
    this.#origin = origin
    subscribe('undici:request:create', this.#created)
    subscribe('undici:request:headers', this.#answered)
    subscribe('undici:request:trailers', this.#ended)
    subscribe('undici:request:error', this.#ended)
  }

  /** Without the head of an answer. */
  get asked(): number {
    return [...this.#requests.values()].filter((state) => state === 'asked').length
  }

  get answered(): number {
    return this.#requests.size - this.asked
  }

  close(): void {
    unsubscribe('undici:request:create', this.#created)
    unsubscribe('undici:request:headers', this.#answered)
    unsubscribe('undici:request:trailers', this.#ended)
    unsubscribe('undici:request:error', this.#ended)
  }

  readonly #created = (message: unknown): void => {
    const { request } = message as { request: { origin: string } }
    if (request.origin === this.#origin) this.#requests.set(request, 'asked')
  }

  readonly #answered = (message: unknown): void => {
    const { request } = message as { request: object }
    if (this.#requests.has(request)) this.#requests.set(request, 'answered')
  }

  readonly #ended = (message: unknown): void => {
    this.#requests.delete((message as { request: object }).request)
  }
}
