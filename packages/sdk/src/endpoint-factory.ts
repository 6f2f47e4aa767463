import { inBackground } from './clock.js'
import type { EndpointFactory } from './cluster/endpoint-set.js'
import { Classifier } from './endpoint/classify.js'
import { Endpoint, type EndpointDependencies } from './endpoint/endpoint.js'
import type { Events } from './observe/events.js'
import type { Availability } from './resilience/judge.js'
import { opossumBreaker } from './resilience/opossum-breaker.js'
import { outlierDetection } from './resilience/outlier/detector.js'
import { pushback } from './resilience/pushback.js'
import type { RecentLatency } from './resilience/recent-latency.js'
import { StallDetector } from './resilience/stall/stall-detector.js'
import { transports, type TransportWiring } from './endpoint-transports.js'
import { pinger } from './health/ping.js'
import { LoopWatch } from './runtime/loop-watch.js'

/** What the endpoints of a client are made of. */
export interface EndpointWiring extends TransportWiring {
  /** Hears of every change of availability, after it has been published. */
  readonly onAvailability: EndpointDependencies['onAvailability']
  readonly recent: RecentLatency
  /** May a request of ours be sent? */
  readonly allowance: () => boolean
  readonly events: Events
}

/** Makes the live objects of a client's instances: their transport, their judges, and who classifies their responses. */
export function endpointFactory(wiring: EndpointWiring): EndpointFactory {
  const { settings, onAvailability, recent, allowance, events, clock, random } = wiring
  const { service, connections, breaker, classify } = settings
  const { pushback: backing, outlierDetection: outliers, stallDetection } = settings
  const { preconnect } = connections
  const background = inBackground(clock)
  const once = onceEach()
  const dependencies: EndpointDependencies = {
    createTransport: transports(connections.protocol, 'requests', wiring, (misfit) =>
      once('parser', () => events.publish({ type: 'endpoint:unknown-parser', service, misfit })),
    ),
    makeBreaker: breaker === false ? undefined : opossumBreaker(breaker, { clock: background, random }),
    judges: [
      ...(backing === false ? [] : [pushback(backing, background)]),
      ...(outliers === false ? [] : [outlierDetection(outliers, background, random)]),
    ],
    stalls:
      stallDetection === false ? undefined : new StallDetector(stallDetection, recent, allowance, background),
    ping: pinger(transports(connections.protocol, 'background', wiring)),
    recent,
    classifier: new Classifier(
      classify,
      (error) => once('classify', () => events.publish({ type: 'endpoint:classify-failed', service, error })),
      () => clock.unixTime(),
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
