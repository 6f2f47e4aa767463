import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Dispatcher } from 'undici'
import { inBackground, systemClock } from '../clock.js'
import { HeardAttempts, HeardEndpoint } from '../endpoint/attempt.test.support.js'
import { HttpAttempt } from '../endpoint/http-attempt.js'
import { until } from '../test-support/until.test.support.js'
import { tcpConnector } from './connector.js'
import { Http1Transport, type Http1Options } from './http1.js'
import type { Transport } from './transport.js'

/** A server that answers when the test says so, and knows on which connection each request came. */
export class Upstream {
  readonly sockets: Socket[] = []
  /** Requests that wait for their answer: the number of their connection. */
  readonly requests: number[] = []
  /** What each of them was. */
  readonly heads: string[] = []
  readonly #server: Server = createServer((socket) => {
    const number = this.sockets.push(socket) - 1
    socket.on('data', (chunk) => {
      this.heads.push(chunk.toString('latin1'))
      this.requests.push(number)
    })
    socket.on('error', () => undefined)
  })

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get open(): number {
    return this.sockets.filter(({ destroyed }) => !destroyed).length
  }

  /** Waits until this many requests have come and are not answered. */
  async waiting(count: number): Promise<void> {
    await until(() => this.requests.length === count)
  }

  answer(): void {
    const number = this.requests.shift()
    if (number === undefined) throw new Error('there is no request to answer')
    this.sockets[number]?.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.#server.close()
  }
}

/** One request, and what has become of it. */
export class Sent extends HeardAttempts {
  state: 'open' | 'complete' | Error = 'open'
  attempt!: HttpAttempt<HeardEndpoint>

  override onComplete(): void {
    this.state = 'complete'
  }

  override onFailure(_attempt: unknown, error: Error): void {
    this.state = error
  }
}

export function connect(to: string, options: Partial<Http1Options> = {}): Transport {
  return new Http1Transport(
    { origin: to },
    {
      connector: tcpConnector({}),
      max: Infinity,
      connectTimeoutMs: () => 1000,
      clock: inBackground(systemClock),
      client: {},
      ...options,
    },
    () => undefined,
  )
}

export function send(connections: Transport, method: Dispatcher.HttpMethod = 'GET', path = '/'): Sent {
  const sent = new Sent()
  const options = { method, path }
  const endpoint = new HeardEndpoint()
  sent.attempt = new HttpAttempt(endpoint, connections, 1, options, sent, undefined, systemClock, 0)
  sent.attempt.send()
  return sent
}

export async function completed(...all: Sent[]): Promise<void> {
  await until(() => all.every(({ state }) => state === 'complete'))
}
