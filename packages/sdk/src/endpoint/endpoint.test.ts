import { describe, expect, test } from 'vitest'
import { LoopWatch } from '../runtime/loop-watch.js'
import { instanceAt, ManualClock } from '../testing/index.js'
import { HeardAttempts, HeldTransport } from './attempt.test.support.js'
import { Classifier } from './classify.js'
import { Endpoint, type EndpointDependencies } from './endpoint.js'

function setUp(more: Partial<EndpointDependencies> = {}): { endpoint: Endpoint; transport: HeldTransport } {
  const clock = new ManualClock()
  const transport = new HeldTransport()
  const endpoint = new Endpoint(instanceAt('http://10.0.0.1:80'), 30, 0, {
    createTransport: () => transport,
    makeBreaker: undefined,
    judges: [],
    onObserverFailed: () => undefined,
    classifier: new Classifier(),
    onAvailability: () => undefined,
    loop: new LoopWatch(clock),
    clock,
    ...more,
  })
  return { endpoint, transport }
}

const GET = { method: 'GET', path: '/' } as const

describe('a request', () => {
  test('that names the service as its origin has the endpoint’s on the wire, and one without has none', () => {
    const { endpoint, transport } = setUp()
    const listener = new HeardAttempts()
    endpoint.attempt({ ...GET, origin: 'http://orders' }, listener, undefined, 0)?.send()
    endpoint.attempt(GET, listener, undefined, 0)?.send()
    const [named, unnamed] = transport.sent.map(({ options }) => options)
    expect(named).toEqual({ ...GET, origin: 'http://10.0.0.1:80' })
    expect(unnamed).toBe(GET)
  })

  test('that its circuit refuses is not begun', () => {
    const refusing = { state: 'open', available: false, acquire: () => 0 } as const
    const { endpoint } = setUp({
      makeBreaker: () => ({
        ...refusing,
        record: () => undefined,
        hasten: () => undefined,
        close: () => undefined,
      }),
    })
    expect(endpoint.attempt(GET, new HeardAttempts(), undefined, 0)).toBeUndefined()
    expect(endpoint.lease(0)).toBeUndefined()
    expect(endpoint).toMatchObject({ requests: 0, inflight: 0, connections: 0 })
  })
})

test('says its address, and the connections that its transport has', () => {
  const { endpoint, transport } = setUp()
  expect([endpoint.address, endpoint.connections]).toEqual(['10.0.0.1:80', 0])
  endpoint.attempt(GET, new HeardAttempts(), undefined, 0)
  Object.assign(transport, { connections: 3 })
  expect(endpoint.connections).toBe(3)
})

test('is free until its first request, and taken for its seed while that is on its way', () => {
  const { endpoint } = setUp()
  expect(endpoint.latencyUs(0)).toBe(0)
  endpoint.lease(0)
  expect(endpoint.latencyUs(0)).toBe(30_000)
})

describe('an endpoint that failed', () => {
  const restriction = { reason: 'circuit_open', kind: 'health', since: 0, until: undefined } as const

  function failed(): Endpoint {
    const { endpoint } = setUp()
    for (let request = 0; request < 10; request++) endpoint.lease(0)?.outcome('local_failure', 0)
    endpoint.restrict({ ...restriction, state: 'unavailable' })
    expect(endpoint.latencyUs(0)).toBe(5_000_000)
    return endpoint
  }

  test.each([
    [
      'that may be probed',
      (one: Endpoint) => one.restrict({ ...restriction, state: 'probing', busy: false }),
    ],
    ['that is available again', (one: Endpoint) => one.lift('circuit_open')],
  ])('and %s is measured anew: one request finds out', (_, change) => {
    const endpoint = failed()
    // Its leases have no end, and each counts as load.
    for (let request = 0; request < 10; request++) endpoint.end()
    change(endpoint)
    expect(endpoint.latencyUs(0)).toBe(0)
    const lease = endpoint.lease(0)
    expect(endpoint.latencyUs(0)).toBe(5_000_000)
    lease?.firstAnswer(5)
    expect(endpoint.estimateUs(5)).toBe(5000)
  })

  test('and is restricted by something else as well is not', () => {
    const endpoint = failed()
    endpoint.restrict({ ...restriction, reason: 'ejected', state: 'unavailable' })
    endpoint.lift('circuit_open')
    expect(endpoint.settled).toBe(true)
    endpoint.lift('ejected')
    expect(endpoint.settled).toBe(false)
  })
})

test('an observer of its load hears of each change until it is removed', () => {
  const { endpoint } = setUp()
  const heard: string[] = []
  const [first, second] = [(): void => void heard.push('first'), (): void => void heard.push('second')]
  endpoint.onLoadChange(first)
  endpoint.onLoadChange(second)
  const lease = endpoint.lease(0)
  endpoint.offLoadChange(first)
  lease?.end(0)
  expect(heard).toEqual(['first', 'second', 'second'])
})

test('a retained endpoint tells of its successes, and of what it could not be reached by', () => {
  const { endpoint } = setUp()
  // Without an observer it has none to tell.
  endpoint.unreachable(new Error('refused'))
  const heard: unknown[] = []
  endpoint.observer = {
    answered: (one) => heard.push(one),
    unreachable: (one, reason) => heard.push([one, reason]),
  }
  expect(endpoint.retained).toBe(true)
  for (const outcome of ['success', 'success', 'remote_failure', 'local_failure', 'ignored'] as const) {
    const lease = endpoint.lease(0)
    lease?.outcome(outcome, 0)
    lease?.end(0)
  }
  endpoint.unreachable(new Error('refused'))
  expect(heard).toEqual([endpoint, endpoint, [endpoint, 'refused']])
  expect(endpoint).toMatchObject({ requests: 5, failures: 2 })
})

test('judges are closed when its requests have ended', async () => {
  const heard: string[] = []
  const { endpoint, transport } = setUp({
    judges: [() => ({ record: () => undefined, close: () => void heard.push('judge') })],
  })
  expect(endpoint.close()).toBeUndefined()
  transport.close = () => {
    heard.push('transport')
    return Promise.resolve()
  }
  endpoint.attempt(GET, new HeardAttempts(), undefined, 0)
  await endpoint.close()
  expect(heard).toEqual(['transport', 'judge'])
})
