import { expect, test } from 'vitest'
import { PolicyResolver } from './call/policy.js'
import { parseOptions } from './client-options.js'
import { endpointFactory } from './endpoint-factory.js'
import { Events, type FairleadEvent } from './observe/events.js'
import { RecentLatency } from './resilience/recent-latency.js'
import { instanceAt, ManualClock, seededRandom } from './testing/index.js'

test('a change of availability names the endpoint as all other events do: by its address', () => {
  const heard: FairleadEvent[] = []
  const clock = new ManualClock()
  const events = new Events({ traffic: false, hear: (event) => void heard.push(event) })
  const settings = parseOptions('orders', {}, {})
  const createEndpoint = endpointFactory({
    settings,
    policy: new PolicyResolver(settings, events),
    onAvailability: () => undefined,
    recent: new RecentLatency(clock),
    allowance: () => true,
    events,
    clock,
    random: seededRandom(1),
  })
  const endpoint = createEndpoint(instanceAt('http://10.0.0.1:80'), 30, 0)
  endpoint.restrict({
    reason: 'circuit_open',
    state: 'unavailable',
    kind: 'health',
    since: 0,
    until: undefined,
  })
  expect(heard).toMatchObject([{ type: 'endpoint:availability', endpoint: '10.0.0.1:80' }])
  endpoint.lift('circuit_open')
  // Of one that is available again, what is over.
  expect(heard[1]).toMatchObject({ state: 'available', reason: 'circuit_open', untilMs: undefined })
})
