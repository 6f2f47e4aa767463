import { maxHeaderSize } from 'node:http'
import type { EffectivePolicy } from './call/policy.js'
import type { Settings } from './client-options.js'
import { inBackground, type Clock } from './clock.js'
import type { EndpointFactory } from './cluster/endpoint-set.js'
import type { Availability } from './resilience/judge.js'
import { Classifier } from './endpoint/classify.js'
import { Endpoint, type EndpointDependencies } from './endpoint/endpoint.js'
import type { Events } from './observe/events.js'
import { opossumBreaker } from './resilience/opossum-breaker.js'
import type { Random } from './random.js'
import { LoopWatch } from './runtime/loop-watch.js'
import { tcpConnector } from './transport/connector.js'
import { http1, type Http1Options } from './transport/http1.js'
import { http2, type Http2Options } from './transport/http2.js'
import { negotiated } from './transport/negotiated.js'
import type { TransportFactory } from './transport/transport.js'

/** What the endpoints of a client are made of. */
export interface EndpointWiring {
  readonly settings: Settings
  readonly policy: { readonly current: EffectivePolicy }
  /** Hears of every change of availability, after it has been published. */
  readonly onAvailability: EndpointDependencies['onAvailability']
  readonly events: Events
  readonly clock: Clock
  readonly random: Random
}

/** Makes the live objects of a client's instances: their transport, their judges, and who classifies their responses. */
export function endpointFactory(wiring: EndpointWiring): EndpointFactory {
  const { settings, onAvailability, events, clock } = wiring
  const { service, connections, breaker, classify } = settings
  const { preconnect } = connections
  const background = inBackground(clock)
  const once = onceEach()
  const dependencies: EndpointDependencies = {
    createTransport: transports(wiring, (misfit) =>
      once('parser', () => events.publish({ type: 'endpoint:unknown-parser', service, misfit })),
    ),
    makeBreaker: breaker === false ? undefined : opossumBreaker(breaker),
    judges: [],
    classifier: new Classifier(classify, (error) =>
      once('classify', () => events.publish({ type: 'endpoint:classify-failed', service, error })),
    ),
    onAvailability: (endpoint, availability, before) => {
      publishAvailability(events, service, endpoint, availability, before, clock.now())
      onAvailability(endpoint, availability, before)
      // While it was not available its connections have ended, by failures or for want of requests.
      if (preconnect > 0 && availability.state === 'available') endpoint.preconnect(preconnect)
    },
    onObserverFailed: (error) =>
      once('observer', () => events.publish({ type: 'endpoint:observer-failed', service, error })),
    loop: new LoopWatch(background),
    clock,
  }
  return (instance, seedMs, usableSince) => new Endpoint(instance, seedMs, usableSince, dependencies)
}

/** Who sends requests, by the protocol that is configured. */
function transports(
  { settings, policy, clock, random }: EndpointWiring,
  onUnknownParser: (misfit: string) => void,
): TransportFactory {
  const { connections, timeoutMs } = settings
  const { protocol, maxPerEndpoint: max = Infinity, keepAliveMs, bodyTimeoutMs, tls, pingMs } = connections
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
    connector: tcpConnector(tls),
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
    onUnknownParser,
  }
  const ofHttp2: Http2Options = {
    ...either,
    connector: tcpConnector({ ...tls, allowH2: true }),
    keepAliveMs,
    pingMs,
    bodyTimeoutMs,
    maxHeaderBytes: maxResponseHeaderBytes ?? maxHeaderSize,
  }
  if (protocol === 'http1') return http1(ofHttp1)
  return protocol === 'http2' ? http2(ofHttp2) : negotiated(ofHttp1, ofHttp2)
}

/** Does each named thing once for a client: what is the same of each connection or response is told once. */
function onceEach(): (name: string, work: () => void) => void {
  const done = new Set<string>()
  return (name, work) => {
    if (done.has(name)) return
    done.add(name)
    work()
  }
}

function publishAvailability(
  events: Events,
  service: string,
  { address }: Endpoint,
  { state, reason, until }: Availability,
  before: Availability,
  now: number,
): void {
  events.publish({
    type: 'endpoint:availability',
    service,
    endpoint: address,
    // Of one that is available again, what is over.
    reason: reason ?? before.reason ?? 'unknown',
    state,
    untilMs: until === undefined ? undefined : until - now,
  })
}
