import type { ServerResponse } from 'node:http'
import { respond } from './fake-consul-steps.js'

interface Held {
  readonly service: string
  readonly response: ServerResponse
  readonly timer: NodeJS.Timeout
}

/** The health of services under one index, with blocking queries. Not known to it: held for ever. */
export class FakeCatalog {
  readonly #services = new Map<string, readonly object[]>()
  readonly #held = new Set<Held>()
  #index = 1

  set(service: string, entries: readonly object[]): void {
    this.#services.set(service, entries)
    this.#index++
    for (const held of [...this.#held]) if (held.service === service) this.#release(held)
  }

  answer(service: string, query: URLSearchParams, response: ServerResponse): void {
    if (!this.#services.has(service)) return
    const index = Number(query.get('index') ?? 0)
    if (index < this.#index) {
      respond(response, this.#index, this.#services.get(service) ?? [])
      return
    }
    const waitMs = Number.parseInt(query.get('wait') ?? '300000', 10)
    const held: Held = { service, response, timer: setTimeout(() => this.#release(held), waitMs) }
    this.#held.add(held)
    response.once('close', () => {
      clearTimeout(held.timer)
      this.#held.delete(held)
    })
  }

  #release(held: Held): void {
    this.#held.delete(held)
    clearTimeout(held.timer)
    respond(held.response, this.#index, this.#services.get(held.service) ?? [])
  }
}
