import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client } from '@fairlead/sdk'
import { startLoad, type Load } from './load.js'

/** What a client went through, as it was seen at every request and in between. */
export class Watcher implements Disposable {
  /** Each freshness that differed from the one before. */
  readonly freshness: string[] = []
  fewest: number = Infinity
  readonly #client: Client
  readonly #timer: NodeJS.Timeout

  constructor(client: Client) {
    this.#client = client
    this.look()
    this.#timer = setInterval(() => this.look(), 5)
  }

  readonly look = (): void => {
    const { freshness, endpoints } = this.#client.inspect()
    if (this.freshness.at(-1) !== freshness) this.freshness.push(freshness)
    this.fewest = Math.min(this.fewest, endpoints.length)
  };

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

/** Load of GETs on a client; each that is not answered with 200 is a failure. */
export function loadOn(client: Client, watcher?: Watcher): Load {
  return startLoad(async () => {
    const { statusCode, body } = await client.request({ path: '/' })
    await body.dump()
    watcher?.look()
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`)
  })
}

/** What an instance takes for an answer, so that a test's load leaves the machine to others. */
export function answerLater(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  setTimeout(() => response.end('ok'), 3)
}
