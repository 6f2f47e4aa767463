import { maxHeaderSize } from 'node:http'
import type { EffectivePolicy } from './call/policy.js'
import type { Settings } from './client-options.js'
import { inBackground, type Clock } from './clock.js'
import type { Random } from './random.js'
import { tcpConnector } from './transport/connector.js'
import { http1, type Http1Options } from './transport/http1.js'
import { http2, type Http2Options } from './transport/http2.js'
import { negotiated } from './transport/negotiated.js'
import type { TransportFactory } from './transport/transport.js'

/** What connections are made by. */
export interface TransportWiring {
  readonly settings: Settings
  readonly policy: { readonly current: EffectivePolicy }
  readonly clock: Clock
  readonly random: Random
}

type Protocol = Settings['connections']['protocol']

/**
 * Who sends requests over this protocol.
 *
 * @param use `background`: what is sent keeps no process alive.
 * @param onUnknownParser Hears why the responses of a connection are parsed by undici alone.
 */
export function transports(
  protocol: Protocol,
  use: 'requests' | 'background',
  { settings, policy, clock, random }: TransportWiring,
  onUnknownParser?: (misfit: string) => void,
): TransportFactory {
  const { connections, timeoutMs } = settings
  const { maxPerEndpoint: max = Infinity, keepAliveMs, bodyTimeoutMs, tls, pingMs } = connections
  const { maxResponseHeaderBytes, maxAgeMs, maxRequests } = connections
  const either = {
    max,
    connectTimeoutMs: () => policy.current.connectTimeoutMs,
    clock: inBackground(clock),
    ...(maxAgeMs === undefined ? {} : { maxAge: { ms: maxAgeMs, random } }),
    ...(maxRequests === undefined ? {} : { maxRequests }),
  }
  const ofHttp1: Http1Options = {
    ...either,
    connector: tcpConnector(tls, use),
    client: {
      keepAliveTimeout: keepAliveMs,
      // A hint of the server's (`Keep-Alive: timeout=`) may shorten it: undici lets it lengthen it up to this.
      keepAliveMaxTimeout: keepAliveMs,
      bodyTimeout: bodyTimeoutMs,
      ...(maxResponseHeaderBytes === undefined ? {} : { maxHeaderSize: maxResponseHeaderBytes }),
      // The deadline of the call is the limit, and this one has to be behind it. Where it may, it equals the limit for
      // bodies: undici then refreshes one timer a connection instead of making two for each request (8% of its time).
      headersTimeout: timeoutMs <= bodyTimeoutMs ? bodyTimeoutMs : 0,
    },
    ...(onUnknownParser === undefined ? {} : { onUnknownParser }),
  }
  const ofHttp2: Http2Options = {
    ...either,
    connector: tcpConnector({ ...tls, allowH2: true }, use),
    keepAliveMs,
    pingMs,
    bodyTimeoutMs,
    maxHeaderBytes: maxResponseHeaderBytes ?? maxHeaderSize,
  }
  if (protocol === 'http1') return http1(ofHttp1)
  return protocol === 'http2' ? http2(ofHttp2) : negotiated(ofHttp1, ofHttp2)
}
