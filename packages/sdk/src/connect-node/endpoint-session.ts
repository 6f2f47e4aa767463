import { Http2SessionManager, type Http2SessionOptions } from '@connectrpc/connect-node'
import type {
  ClientHttp2Stream,
  ClientSessionOptions,
  ClientSessionRequestOptions,
  OutgoingHttpHeaders,
  SecureClientSessionOptions,
} from 'node:http2'
import type { Clock } from '../clock.js'

/** What `request` of a session takes. */
export type SessionRequest = [
  method: string,
  path: string,
  headers: OutgoingHttpHeaders,
  options: Omit<ClientSessionRequestOptions, 'signal'>,
]

/** How sessions are made. */
export interface SessionOptions {
  readonly session: Http2SessionOptions | undefined
  readonly nodeOptions: ClientSessionOptions | SecureClientSessionOptions | undefined
  readonly connectTimeoutMs: () => number
  readonly clock: Clock
}

/** The session of one endpoint: that of connect-node, with a limit to connecting, which ends when the endpoint has left. */
export class EndpointSession {
  readonly #manager: Http2SessionManager
  readonly #options: SessionOptions
  /** Requests that have not ended. */
  #active = 0
  #retired = false

  /** @param origin `http://host:port` or `https://host:port`. */
  constructor(origin: string, options: SessionOptions) {
    this.#manager = new Http2SessionManager(origin, options.session, options.nodeOptions)
    this.#options = options
  }

  /** Rejects where no connection could be made, and nothing was sent. */
  async request(...request: SessionRequest): Promise<ClientHttp2Stream> {
    this.#active++
    try {
      const stream = await this.#inTime(this.#manager.request(...request))
      stream.once('close', () => this.#ended())
      return stream
    } catch (error) {
      this.#ended()
      throw error
    }
  }

  notifyResponseByteRead(stream: ClientHttp2Stream): void {
    this.#manager.notifyResponseByteRead(stream)
  }

  /** Lets its requests finish, then closes the connection. */
  retire(): void {
    this.#retired = true
    if (this.#active === 0) this.#manager.abort()
  }

  /** node:http2 leaves the time to the machine, which gives up on a silent address after two minutes. */
  async #inTime(request: Promise<ClientHttp2Stream>): Promise<ClientHttp2Stream> {
    const { clock, connectTimeoutMs } = this.#options
    if (this.#manager.state() !== 'connecting') return request
    const limitMs = connectTimeoutMs()
    const timer = clock.setTimer(() => {
      if (this.#manager.state() === 'connecting') this.#manager.abort(tooLate(limitMs))
    }, limitMs)
    return request.finally(() => clock.clearTimer(timer))
  }

  #ended(): void {
    this.#active--
    if (this.#retired && this.#active === 0) this.#manager.abort()
  }
}

function tooLate(limitMs: number): Error {
  return Object.assign(new Error(`no connection within ${limitMs} ms`), {
    code: 'ETIMEDOUT',
    syscall: 'connect',
  })
}
