import { afterEach, beforeEach, expect, test } from 'vitest'
import { opossumBreaker } from '../resilience/opossum-breaker.js'
import type { Outcome } from '../resilience/outcome.js'
import { instanceAt, ManualClock } from '../testing/index.js'
import { HeldTransport } from './attempt.test.support.js'
import { Classifier } from './classify.js'
import { Endpoint } from './endpoint.js'
import { LoopWatch } from '../runtime/loop-watch.js'

const RESET_MS = 5000

let clock: ManualClock
let changes: string[]
let endpoint: Endpoint

beforeEach(() => {
  clock = new ManualClock()
  changes = []
  endpoint = new Endpoint(instanceAt('http://10.0.0.1:80'), 30, -1, {
    createTransport: () => new HeldTransport(),
    makeBreaker: opossumBreaker(
      {
        volumeThreshold: 2,
        errorThresholdPercentage: 50,
        consecutiveFailures: false,
        windowMs: 10_000,
        resetMs: RESET_MS,
        maxResetMs: RESET_MS,
      },
      // The longest that jitter allows.
      { clock, random: { next: () => 1, bits: () => -1 } },
    ),
    judges: [],
    onObserverFailed: () => undefined,
    classifier: new Classifier(),
    onAvailability: (_, { state, reason }) => void changes.push(`${state}: ${String(reason)}`),
    loop: new LoopWatch(clock),
    clock,
  })
})

afterEach(async () => {
  await endpoint.destroy(new Error('over'))
})

/** One request; false: the circuit refuses it. */
async function request(outcome: Outcome): Promise<boolean> {
  const lease = endpoint.lease(clock.now())
  lease?.outcome(outcome, clock.now())
  lease?.end(clock.now())
  // opossum hears of failures through promises.
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  return lease !== undefined
}

async function open(): Promise<void> {
  await clock.advance(1000)
  for (let n = 0; n < 2; n++) await request('local_failure')
}

test('open, the endpoint is unavailable, since when and until when is told, and it is sent nothing', async () => {
  await open()
  expect(endpoint.available).toBe(false)
  expect(endpoint.availability).toEqual({
    state: 'unavailable',
    reason: 'circuit_open',
    kind: 'health',
    since: 1000,
    until: 1000 + RESET_MS,
  })
  expect(await request('success')).toBe(false)
  expect(changes).toEqual(['unavailable: circuit_open'])
})

test('half open, one request at a time probes it, and its success closes the circuit', async () => {
  await open()
  await clock.advance(RESET_MS)
  expect(endpoint.available).toBe(true)
  expect(endpoint.availability).toMatchObject({ state: 'probing', since: 1000, until: undefined })
  const probe = endpoint.lease(clock.now())
  expect([endpoint.available, endpoint.lease(clock.now())]).toEqual([false, undefined])
  probe?.outcome('success', clock.now())
  probe?.end(clock.now())
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  expect(endpoint).toMatchObject({ available: true, usableSince: 1000 + RESET_MS })
  expect(endpoint.availability.state).toBe('available')
  expect(changes).toEqual(['unavailable: circuit_open', 'probing: circuit_open', 'available: undefined'])
})

test('a probe without an outcome gives its leave back, and one that fails opens it again, since the first time', async () => {
  await open()
  await clock.advance(RESET_MS)
  endpoint.lease(clock.now())?.end(clock.now())
  expect(endpoint.available).toBe(true)
  await request('remote_failure')
  expect(endpoint.availability).toMatchObject({
    state: 'unavailable',
    since: 1000,
    until: 1000 + 2 * RESET_MS,
  })
})

test('in a panic it is sent requests all the same, and the circuit does not count them', async () => {
  await open()
  endpoint.panic = 'all'
  expect(endpoint.available).toBe(true)
  expect(await request('success')).toBe(true)
  expect(endpoint.availability.state).toBe('unavailable')
  expect(endpoint.inflight).toBe(0)
})

test('a lease ends once, however often it is ended', () => {
  const [one, other] = [endpoint.lease(0), endpoint.lease(0)]
  one?.end(clock.now())
  one?.end(clock.now())
  expect(endpoint.inflight).toBe(1)
  other?.end(clock.now())
  expect(endpoint.inflight).toBe(0)
})
