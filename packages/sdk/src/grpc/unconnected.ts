import type { Endpoint } from '../endpoint/endpoint.js'

/**
 * As a list of endpoints that a pick is to avoid: all that are not connected, and those that the call has been to. Of
 * 10,000 none has to be listed, as pickers ask for each whether it is included.
 */
export class Unconnected extends Array<Endpoint> {
  readonly #isReady: (endpoint: Endpoint) => boolean
  readonly #tried: readonly Endpoint[]

  constructor(isReady: (endpoint: Endpoint) => boolean, tried: readonly Endpoint[]) {
    // Not empty: a picker need not ask where nothing is to be avoided.
    super(1)
    this.#isReady = isReady
    this.#tried = tried
  }

  override includes(endpoint: Endpoint): boolean {
    return !this.#isReady(endpoint) || this.#tried.includes(endpoint)
  }
}
