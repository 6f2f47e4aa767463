import { build, type Histogram } from 'hdr-histogram-js'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { argument, serve } from './serve.js'

export interface LoadArgument {
  readonly connections: number
  /** `METHOD path` and headers of every request. */
  readonly request: string
}

export interface LoadOrder {
  readonly port: number
  readonly milliseconds: number
}

/** What came of it. */
export interface Load {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * Many connections, one request at a time on each: raw sockets and no more of HTTP than where a response ends,
 * since whatever the load generator takes is missing to the upstream beside it.
 */
class Connection {
  readonly #socket: Socket
  readonly #request: string
  readonly #histogram: Histogram
  #until = 0
  #received = ''
  #sentAt = 0
  #settle: ((fault?: Error) => void) | undefined
  requests = 0

  constructor(port: number, request: string, histogram: Histogram) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#request = request
    this.#histogram = histogram
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (text: string) => this.#onData(text))
    this.#socket.on('error', (error) => this.#settle?.(error))
    this.#socket.on('close', () => this.#settle?.(new Error('the subject closed a connection')))
  }

  connected(): Promise<unknown> {
    return once(this.#socket, 'connect')
  }

  /** Sends until it is time, and hangs up. */
  async run(until: number): Promise<void> {
    this.#until = until
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = (fault) => (fault === undefined ? resolve() : reject(fault))
        this.#send()
      })
    } finally {
      this.#socket.destroy()
    }
  }

  #send(): void {
    this.#sentAt = performance.now()
    this.#socket.write(this.#request, 'latin1')
  }

  #onData(text: string): void {
    this.#received = this.#received === '' ? text : this.#received + text
    if (!isWhole(this.#received)) return
    const ok = this.#received.startsWith('HTTP/1.1 200 ')
    const now = performance.now()
    if (!ok) {
      this.#settle?.(new Error(`it answered ${this.#received.split('\r\n', 1)[0] ?? 'nothing'}`))
      return
    }
    this.#received = ''
    this.requests++
    this.#histogram.recordValue(Math.round((now - this.#sentAt) * 1000))
    if (now < this.#until) this.#send()
    else this.#settle?.()
  }
}

/** Is this a response to its end? */
function isWhole(text: string): boolean {
  const head = text.indexOf('\r\n\r\n')
  if (head === -1) return false
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
  return length === undefined ? text.endsWith('\r\n0\r\n\r\n') : text.length >= head + 4 + Number(length)
}

const { connections, request } = argument() as LoadArgument

serve(async (order): Promise<Load> => {
  const { port, milliseconds } = order as LoadOrder
  const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000 })
  const open = Array.from({ length: connections }, () => new Connection(port, request, histogram))
  await Promise.all(open.map((connection) => connection.connected()))
  const startedAt = performance.now()
  await Promise.all(open.map((connection) => connection.run(startedAt + milliseconds)))
  return {
    requests: open.reduce((sum, connection) => sum + connection.requests, 0),
    seconds: (performance.now() - startedAt) / 1000,
    p50Ms: histogram.getValueAtPercentile(50) / 1000,
    p99Ms: histogram.getValueAtPercentile(99) / 1000,
  }
})
