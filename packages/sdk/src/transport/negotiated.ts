import type { Instance } from '../discovery/resolver.js'
import { Http1Transport, type Http1Options } from './http1.js'
import { Http2Transport, switchesProtocols, type Http2Options } from './http2.js'
import type { ReleaseReason, Transport, TransportFactory, TransportRequest } from './transport.js'

/** HTTP/2 where an endpoint offers it over TLS (ALPN), else HTTP/1.1. In clear nothing offers it: HTTP/1.1. */
export function negotiated(options: Http1Options, options2: Http2Options): TransportFactory {
  return (instance, onLeaving) =>
    instance.origin.startsWith('https:')
      ? new NegotiatedTransport(instance, options, options2, onLeaving)
      : new Http1Transport(instance, options, onLeaving)
}

/**
 * The first connection finds out, and is used by either. From then on all goes the same way; where the endpoint falls back
 * to HTTP/1.1, by ALPN or by HTTP_1_1_REQUIRED, for good. What switches protocols, such as WebSocket, always goes over HTTP/1.1.
 */
class NegotiatedTransport implements Transport {
  readonly #http1: Http1Transport
  readonly #http2: Http2Transport
  #fallenBack = false

  constructor(
    instance: Pick<Instance, 'origin' | 'addresses'>,
    options: Http1Options,
    options2: Http2Options,
    onLeaving: () => void,
  ) {
    this.#http1 = new Http1Transport(instance, options, onLeaving)
    this.#http2 = new Http2Transport(instance, options2, (socket, requests) => {
      this.#fallenBack = true
      this.#http1.adopt(socket)
      for (const request of requests) this.#sendFor(request)
    })
  }

  get connections(): number {
    return this.#http1.connections + this.#http2.connections
  }

  send(request: TransportRequest): void {
    this.#for(request).send(request)
  }

  preconnect(count: number): void {
    ;(this.#fallenBack ? this.#http1 : this.#http2).preconnect(count)
  }

  resend(request: TransportRequest, error: Error): boolean {
    if (this.#http2.yields(request)) {
      // RFC 9113, 7: HTTP_1_1_REQUIRED. What it answers for one request it would for the next.
      this.#fallenBack = true
      this.#http1.send(request)
      return true
    }
    // Either knows its own by what carries it.
    return this.#http1.resend(request, error) || this.#http2.resend(request)
  }

  release(request: TransportRequest, reason: ReleaseReason): void {
    const owner = this.#http2.carries(request.carrier) ? this.#http2 : this.#http1
    ;(request.carrier === undefined ? this.#for(request) : owner).release(request, reason)
  }

  unqueue(error: Error): void {
    this.#http1.unqueue(error)
    this.#http2.unqueue(error)
  }

  async close(): Promise<void> {
    // What the first is still to find out, the second may have to send.
    await this.#http2.close()
    await this.#http1.close()
  }

  async destroy(error: Error): Promise<void> {
    await Promise.all([this.#http1.destroy(error), this.#http2.destroy(error)])
  }

  #for({ options }: TransportRequest): Transport {
    return this.#fallenBack || switchesProtocols(options) ? this.#http1 : this.#http2
  }

  /** In the context of the request, and not of the connection. */
  #sendFor(request: TransportRequest): void {
    const { context } = request
    if (context === undefined) this.#http1.send(request)
    else context.runInAsyncScope(() => this.#http1.send(request))
  }
}
