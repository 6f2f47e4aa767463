import { once } from 'node:events'
import {
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { systemClock, inBackground } from '../clock.js'
import { HeardAttempts, HeardEndpoint } from '../endpoint/attempt.test.support.js'
import { HttpAttempt } from '../endpoint/http-attempt.js'
import { tcpConnector } from './connector.js'
import { Http2Transport, type Http2Options } from './http2.js'
import type { Transport } from './transport.js'
import type { Dispatcher } from 'undici'

/** A server of HTTP/2 in clear that answers when the test says so. */
export class Http2Upstream {
  readonly sessions: ServerHttp2Session[] = []
  readonly streams: ServerHttp2Stream[] = []
  readonly sockets: Socket[] = []
  readonly server: Http2Server
  /** Takes each stream; default: the test answers it. */
  onStream: (stream: ServerHttp2Stream) => void = () => undefined

  constructor(options: ServerOptions = {}) {
    this.server = createServer(options)
    this.server.on('connection', (socket: Socket) => {
      this.sockets.push(socket)
      socket.on('error', () => undefined)
    })
    this.server.on('sessionError', () => undefined)
    this.server.on('session', (session) => {
      this.sessions.push(session)
      session.on('error', () => undefined)
    })
    this.server.on('stream', (stream: ServerHttp2Stream) => {
      this.streams.push(stream)
      stream.on('error', () => undefined)
      this.onStream(stream)
    })
  }

  async listen(port = 0): Promise<string> {
    this.server.listen(port, '127.0.0.1')
    await once(this.server, 'listening')
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** Streams that are not answered. */
  get waiting(): readonly ServerHttp2Stream[] {
    return this.streams.filter(({ headersSent, closed, destroyed }) => !headersSent && !closed && !destroyed)
  }

  get open(): number {
    return this.sockets.filter(({ destroyed }) => !destroyed).length
  }

  answer(body = 'ok'): void {
    const [stream] = this.waiting
    if (stream === undefined) throw new Error('there is no request to answer')
    stream.respond({ ':status': 200 })
    stream.end(body)
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
  }
}

/** One request over HTTP/2, and what has become of it. */
export class Exchanged extends HeardAttempts {
  readonly endpoint: HeardEndpoint = new HeardEndpoint()
  state: 'open' | 'complete' | Error = 'open'
  status = 0
  readonly interim: number[] = []
  headers: string[] = []
  body = ''
  trailers: string[] = []
  received = 0
  sent = 0
  /** Pauses at each chunk. */
  pausing = false
  resume: () => void = () => undefined
  attempt!: HttpAttempt<HeardEndpoint>

  override onHead(_attempt: unknown, status: number, headers: Buffer[], resume?: () => void): boolean {
    if (status < 200) {
      this.interim.push(status)
      return true
    }
    this.status = status
    this.headers = headers.map((each) => each.toString('latin1'))
    this.resume = resume ?? this.resume
    return !this.pausing
  }

  override onData(_attempt?: unknown, chunk: Buffer = Buffer.alloc(0)): boolean {
    this.received += chunk.length
    if (chunk.length < 1000) this.body += chunk.toString('latin1')
    return !this.pausing
  }

  override onComplete(_attempt?: unknown, trailers: Buffer[] = []): void {
    if (this.state !== 'open') throw new Error('it was over')
    this.trailers = trailers.map((each) => each.toString('latin1'))
    this.state = 'complete'
  }

  override onFailure(_attempt: unknown, error: Error): void {
    if (this.state !== 'open') throw new Error('it was over')
    this.state = error
  }

  override onBodySent(_attempt?: unknown, chunk: Uint8Array | string = ''): void {
    this.sent += chunk.length
  }

  get over(): boolean {
    return this.state !== 'open'
  }
}

export function connectHttp2(to: string, options: Partial<Http2Options> = {}): Http2Transport {
  return new Http2Transport(
    { origin: to },
    {
      connector: tcpConnector({}),
      max: Infinity,
      connectTimeoutMs: () => 5000,
      clock: inBackground(systemClock),
      keepAliveMs: 60_000,
      bodyTimeoutMs: 0,
      maxHeaderBytes: 16_384,
      ...options,
    },
  )
}

export function exchange(
  transport: Transport,
  options: Partial<Dispatcher.DispatchOptions> = {},
  exchanged: Exchanged = new Exchanged(),
): Exchanged {
  const { endpoint } = exchanged
  const dispatched = { method: 'GET' as const, path: '/', ...options }
  exchanged.attempt = new HttpAttempt(
    endpoint,
    transport,
    1,
    dispatched,
    exchanged,
    undefined,
    systemClock,
    0,
  )
  exchanged.attempt.send()
  return exchanged
}
