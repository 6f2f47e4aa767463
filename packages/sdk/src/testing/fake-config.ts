import type { ServerResponse } from 'node:http'
import type { Clock } from '../clock.js'
import { BlockedQueries } from './blocked-queries.js'
import { discoveryChain } from './discovery-chain.js'
import { respond } from './fake-consul-steps.js'

/** Which services have a `service-resolver`, and what their discovery chains are. */
export class FakeConfig {
  readonly #chains = new Map<string, object>()
  readonly #queries: BlockedQueries
  #index = 1

  constructor(clock: Clock) {
    this.#queries = new BlockedQueries(clock)
  }

  set(service: string, chain: object | undefined): void {
    if (chain === undefined) this.#chains.delete(service)
    else this.#chains.set(service, chain)
    this.#index++
    this.#queries.wake()
  }

  wipe(): void {
    this.#chains.clear()
    this.#index = 1
  }

  answerList(query: URLSearchParams, response: ServerResponse): void {
    this.#queries.add(
      query,
      response,
      () => this.#index,
      () => {
        const names = [...this.#chains.keys()]
        respond(
          response,
          this.#index,
          names.map((Name) => ({ Kind: 'service-resolver', Name })),
        )
      },
    )
  }

  answerChain(service: string, response: ServerResponse): void {
    respond(response, this.#index, this.#chains.get(service) ?? discoveryChain(service))
  }
}
