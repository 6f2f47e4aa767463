import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { compose, slowStart } from '../../index.js'
import { registeredWeight } from '../../balance/picker.js'
import { HeldTransport } from '../../endpoint/attempt.test.support.js'
import { Classifier } from '../../endpoint/classify.js'
import { Endpoint, type EndpointDependencies } from '../../endpoint/endpoint.js'
import { parseOptions } from '../../client-options.js'
import type { Random } from '../../random.js'
import { LoopWatch } from '../../runtime/loop-watch.js'
import { instanceAt, ManualClock, seededRandom } from '../../testing/index.js'
import { opossumBreaker } from '../opossum-breaker.js'
import { NO_DETAILS, type Outcome } from '../outcome.js'
import { outlierDetection } from './detector.js'
import type { OutlierDetectionOptions } from './outlier-options.js'

const BASE_MS = 30_000
const EXACT: OutlierDetectionOptions = { maxEjectionTimeJitterMs: 0 }

let clock: ManualClock
let endpoints: readonly Endpoint[] = []
beforeEach(() => {
  clock = new ManualClock()
  endpoints = []
})
afterEach(end)

/** Of what is closed no timer is left. */
async function end(): Promise<void> {
  for (const endpoint of endpoints) await endpoint.destroy(new Error('over'))
  expect(clock.pending).toBe(0)
}

interface Setting {
  readonly options?: OutlierDetectionOptions
  readonly breaker?: boolean
  readonly random?: Random
}

/** So many endpoints of one client; with `breaker`, each has its circuit. */
function make(
  count: number,
  { options = EXACT, breaker = false, random = seededRandom(1) }: Setting = {},
): void {
  const settings = parseOptions('orders', { outlierDetection: options }, {})
  if (settings.outlierDetection === false || settings.breaker === false) throw new Error('both are on')
  const dependencies: EndpointDependencies = {
    createTransport: () => new HeldTransport(),
    makeBreaker: breaker ? opossumBreaker(settings.breaker, { clock, random }) : undefined,
    judges: [outlierDetection(settings.outlierDetection, clock, random)],
    onObserverFailed: () => undefined,
    classifier: new Classifier(),
    onAvailability: () => undefined,
    // On a clock of its own, as its timer is not what is counted here.
    loop: new LoopWatch(new ManualClock()),
    clock,
  }
  endpoints = Array.from(
    { length: count },
    (_, place) => new Endpoint(instanceAt(`http://10.0.0.1:${place + 1}`), 30, -1, dependencies),
  )
  // A first request each: what has never been used is no peer.
  for (const endpoint of endpoints) record(endpoint, 'success')
}

/** Straight to its judges, as a request to one that is ejected is only made in a panic. */
function record(endpoint: Endpoint | undefined, outcome: Outcome, statusCode = 0, times = 1): void {
  if (endpoint === undefined) throw new Error('no such endpoint')
  for (let n = 0; n < times; n++) {
    const lease = endpoint.lease(clock.now())
    lease?.outcome(outcome, clock.now(), clock.now(), { ...NO_DETAILS, statusCode })
    lease?.end(clock.now())
  }
}

function ejected(): readonly number[] {
  return endpoints.flatMap(({ availability }, place) => (availability.reason === 'ejected' ? [place] : []))
}

test('what an endpoint did before its circuit kept it from requests counts no more when it is back', async () => {
  make(6, { breaker: true })
  // All fail alike, and no share may be ejected; then all are back within the interval.
  for (const endpoint of endpoints) {
    endpoint.panic = 'all'
    record(endpoint, 'remote_failure', 503, 60)
  }
  await clock.advance(600)
  for (const endpoint of endpoints) record(endpoint, 'success')
  expect(endpoints.map(({ availability }) => availability.state)).toEqual(Array(6).fill('available'))
  await clock.advance(10_000)
  expect(ejected()).toEqual([])
})

describe('failures in a row', () => {
  beforeEach(() => make(4))

  test.each([
    ['remote_failure', 502],
    ['remote_failure', 503],
    ['remote_failure', 504],
    ['local_failure', 0],
  ] as const)('five times %s %i ejects, four do not', (outcome, status) => {
    record(endpoints[1], outcome, status, 4)
    expect(ejected()).toEqual([])
    record(endpoints[1], outcome, status)
    expect(endpoints[1]).toMatchObject({
      available: false,
      availability: { state: 'unavailable', reason: 'ejected', kind: 'health', since: 0, until: BASE_MS },
    })
    expect(ejected()).toEqual([1])
  })

  test('of gateways and our own count together', () => {
    for (const status of [502, 503, 504]) record(endpoints[0], 'remote_failure', status)
    record(endpoints[0], 'local_failure', 0, 2)
    expect(ejected()).toEqual([0])
  })

  test.each([
    ['success', 200],
    ['overloaded', 503],
    ['remote_failure', 500],
  ] as const)('begin anew after %s %i', (outcome, status) => {
    record(endpoints[0], 'local_failure', 0, 4)
    record(endpoints[0], outcome, status)
    record(endpoints[0], 'local_failure', 0, 4)
    expect(ejected()).toEqual([])
    record(endpoints[0], 'local_failure')
    expect(ejected()).toEqual([0])
  })

  test('go on after what says nothing', () => {
    record(endpoints[0], 'local_failure', 0, 4)
    record(endpoints[0], 'ignored', 0, 10)
    record(endpoints[0], 'local_failure')
    expect(ejected()).toEqual([0])
  })

  test('of a status 500 do not eject: that is the circuit to open', () => {
    record(endpoints[0], 'remote_failure', 500, 20)
    expect(ejected()).toEqual([])
  })

  test('by option: each kind has its own number, or none', async () => {
    await end()
    make(4, { options: { consecutiveGatewayFailure: false, consecutiveLocalOriginFailure: 2 } })
    record(endpoints[0], 'remote_failure', 503, 40)
    expect(ejected()).toEqual([])
    record(endpoints[0], 'local_failure', 0, 2)
    expect(ejected()).toEqual([0])
  })
})

describe('how many', () => {
  test.each([
    [1, []],
    [2, [0]],
    [3, [0]],
    [4, [0, 1]],
    [7, [0, 1, 2]],
  ])('of %i that all fail: %j', (count, expected) => {
    make(count)
    for (let round = 0; round < 20; round++)
      for (const endpoint of endpoints) record(endpoint, 'local_failure')
    expect(ejected()).toEqual(expected)
  })

  test('what its circuit keeps from requests counts as well', async () => {
    make(4, {
      breaker: true,
      options: { ...EXACT, consecutiveGatewayFailure: false, consecutiveLocalOriginFailure: 5 },
    })
    // Statuses that do not eject open the circuits of two.
    for (const endpoint of endpoints.slice(0, 2)) record(endpoint, 'remote_failure', 500, 5)
    record(endpoints[2], 'local_failure', 0, 4)
    record(endpoints[3], 'success')
    await clock.advance(0)
    expect(endpoints.map(({ blocked }) => blocked)).toEqual([true, true, false, false])
    record(endpoints[2], 'local_failure')
    expect(ejected()).toEqual([])
  })

  test('more that fail than may be ejected are an outage: all are let back, to what their circuits find out', async () => {
    make(4, { breaker: true })
    for (const endpoint of endpoints.slice(0, 2)) record(endpoint, 'local_failure', 0, 5)
    expect(ejected()).toEqual([0, 1])
    record(endpoints[2], 'local_failure', 0, 5)
    expect(ejected()).toEqual([])
    expect(endpoints.map(({ availability }) => availability.reason)).toEqual([
      ...Array.from({ length: 3 }, () => 'circuit_open'),
      undefined,
    ])
    // It is over: a request each, long before the time of an ejection.
    await clock.advance(5000)
    for (const endpoint of endpoints) record(endpoint, 'success')
    expect(endpoints.map(({ availability }) => availability.state)).toEqual(endpoints.map(() => 'available'))
  })

  test('what has been removed or is retained is no peer, and is not ejected', async () => {
    make(4)
    const [first, second, third] = endpoints
    if (third !== undefined) third.observer = { answered: () => undefined, unreachable: () => undefined }
    void second?.close()
    // Two are left: one of them at most.
    record(third, 'local_failure', 0, 5)
    expect(ejected()).toEqual([])
    record(first, 'local_failure', 0, 5)
    record(endpoints[3], 'local_failure', 0, 5)
    expect(ejected()).toEqual([0])
    await clock.advance(0)
  })
})

describe('how long', () => {
  /** Ejects the first, and says for how many milliseconds. */
  function eject(): number {
    record(endpoints[0], 'local_failure', 0, 5)
    return (endpoints[0]?.availability.until ?? NaN) - clock.now()
  }

  test('the base times the multiplier, up to the limit', async () => {
    make(2, { options: { ...EXACT, maxEjectionTimeMs: 80_000 } })
    const times: number[] = []
    for (let n = 0; n < 4; n++) {
      times.push(eject())
      await clock.advance(times[n] ?? 0)
      expect(ejected()).toEqual([])
    }
    expect(times).toEqual([30_000, 60_000, 80_000, 80_000])
  })

  test('one less for each interval without an ejection', async () => {
    make(2)
    for (const expected of [30_000, 60_000, 90_000]) {
      expect(eject()).toBe(expected)
      await clock.advance(expected)
    }
    await clock.advance(19_999)
    // Three, less one, and one more.
    expect(eject()).toBe(90_000)
    await clock.advance(90_000 + 29_999)
    expect(eject()).toBe(60_000)
    await clock.advance(60_000 + 1_000_000)
    expect(eject()).toBe(30_000)
  })

  test('a limit below the base is none', () => {
    make(2, { options: { ...EXACT, maxEjectionTimeMs: 1000 } })
    expect(eject()).toBe(30_000)
  })

  test('with jitter above it, so that clients do not return in step', async () => {
    const times: number[] = []
    for (let seed = 0; seed < 200; seed++) {
      make(2, { options: {}, random: seededRandom(seed) })
      times.push(eject())
      await end()
    }
    expect(Math.min(...times)).toBeGreaterThanOrEqual(30_000)
    expect(Math.min(...times)).toBeLessThan(30_200)
    expect(Math.max(...times)).toBeLessThan(35_000)
    expect(Math.max(...times)).toBeGreaterThan(34_800)
  })
})

describe('rates, at the end of an interval', () => {
  /** This interval, so many of each request fail with 500. */
  function interval(...failures: readonly number[]): void {
    failures.forEach((failed, place) => {
      // Spread, so that no run ejects.
      for (let n = 0; n < 99; n++) record(endpoints[place], n < failed ? 'remote_failure' : 'success', 500)
    })
  }

  test('eject whose success rate stands out', async () => {
    make(5)
    // 100 with the first.
    interval(33, 0, 0, 0, 0)
    await clock.advance(9999)
    expect(ejected()).toEqual([])
    await clock.advance(1)
    expect(ejected()).toEqual([0])
  })

  test('eject nobody where all fail alike', async () => {
    make(6, { options: { ...EXACT, failurePercentageEjection: false } })
    for (let n = 0; n < 5; n++) {
      interval(99, 99, 99, 99, 99, 99)
      await clock.advance(10_000)
    }
    expect(ejected()).toEqual([])
  })

  test('are those of one interval', async () => {
    make(5)
    for (let n = 0; n < 3; n++) {
      interval(5, 0, 0, 0, 0)
      await clock.advance(10_000)
    }
    expect(ejected()).toEqual([])
  })

  test('eject of which nearly all fail, also where success rates are off', async () => {
    make(5, { options: { ...EXACT, successRateEjection: false } })
    interval(84, 90, 0, 0, 0)
    await clock.advance(10_000)
    expect(ejected()).toEqual([1])
  })

  test('eject the worst, where the share is not enough for all', async () => {
    make(5, { options: { ...EXACT, successRateEjection: false, maxEjectionPercent: 20 } })
    interval(90, 99, 95, 0, 0)
    await clock.advance(10_000)
    expect(ejected()).toEqual([1])
  })

  test('are not compared with those of what is ejected', async () => {
    make(5)
    record(endpoints[4], 'local_failure', 0, 5)
    interval(50, 0, 0, 0)
    await clock.advance(10_000)
    // Four are too few.
    expect(ejected()).toEqual([4])
  })

  test('need no timer while there are no requests, nor where both are off', async () => {
    make(5)
    expect(clock.pending).toBe(1)
    await clock.advance(10_000)
    expect(clock.pending).toBe(0)
    record(endpoints[0], 'success')
    expect(clock.pending).toBe(1)
    await clock.advance(10_000)
    expect(clock.pending).toBe(0)
    await end()
    make(5, { options: { successRateEjection: false, failurePercentageEjection: false } })
    expect(clock.pending).toBe(0)
  })
})

test('what an ejected endpoint does, in a panic or by what was under way, makes nothing longer', async () => {
  make(4)
  const underWay = Array.from({ length: 20 }, () => endpoints[0]?.lease(clock.now()))
  record(endpoints[0], 'local_failure', 0, 5)
  await clock.advance(1000)
  for (const lease of underWay) lease?.outcome('local_failure', clock.now())
  for (const lease of underWay) lease?.end(clock.now())
  expect(endpoints[0]?.availability.until).toBe(BASE_MS)
  await clock.advance(BASE_MS - 1000)
  expect(endpoints[0]).toMatchObject({ available: true, inflight: 0 })
  record(endpoints[0], 'local_failure', 0, 4)
  expect(ejected()).toEqual([])
})

test('one that is closed while it is ejected leaves no timer, and its place to others', async () => {
  make(2)
  record(endpoints[0], 'local_failure', 0, 5)
  expect(ejected()).toEqual([0])
  await endpoints[0]?.close()
  record(endpoints[1], 'success')
  // It is the only one.
  record(endpoints[1], 'local_failure', 0, 5)
  expect(ejected()).toEqual([0])
})

test('it comes back through slow start, by weights', async () => {
  make(4, { options: { ...EXACT, baseEjectionTimeMs: 10_000 } })
  const balancer = compose(slowStart({ windowMs: 10_000 }), 'weighted_round_robin')
  const picker = balancer(endpoints, seededRandom(3), registeredWeight)
  /** Of 3,000 picks, the share of the first, in quarters. */
  const share = (): number => {
    let picks = 0
    for (let n = 0; n < 3000; n++) {
      if (picker.pick({ tried: [], now: clock.now() }) === endpoints[0]) picks++
    }
    return (picks / 3000) * 4
  }
  expect(share()).toBeCloseTo(1, 1)
  record(endpoints[0], 'local_failure', 0, 5)
  picker.refresh?.(clock.now())
  expect(share()).toBe(0)
  await clock.advance(10_000)
  picker.refresh?.(clock.now())
  expect(endpoints[0]?.usableSince).toBe(10_000)
  expect(share()).toBeLessThan(0.2)
  await clock.advance(5000)
  expect(share()).toBeGreaterThan(0.4)
  expect(share()).toBeLessThan(0.75)
  await clock.advance(5000)
  expect(share()).toBeCloseTo(1, 1)
})
