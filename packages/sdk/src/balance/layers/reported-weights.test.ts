import { registeredWeight } from '../picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FakeCandidate } from '../../testing/index.js'
import { candidates, seededRandom } from '../../testing/index.js'
import { compose } from '../compose.js'
import { leastConnections } from '../policies/least-connections.js'
import { orcaWeightedRoundRobin } from '../policies/orca-weighted-round-robin.js'
import type { Balancer, Layer, PickContext, Picker, WeightOf } from '../picker.js'
import { reportedWeights, type ReportedWeightsOptions } from './reported-weights.js'
import { weightedRoundRobin } from '../policies/weighted-round-robin.js'

type Pair = [FakeCandidate, FakeCandidate]
const SECOND = 1000
const context: PickContext<FakeCandidate> = { now: 0, tried: [] }

interface Load {
  readonly utilization?: number
  readonly qps?: number
  readonly eps?: number
}

/** Says it as a server would. */
function report(
  endpoint: FakeCandidate,
  now: number,
  { utilization = 0.1, qps = 10, eps = 0 }: Load = {},
): void {
  const text = `TEXT application_utilization=${utilization},rps_fractional=${qps},eps=${eps}`
  endpoint.backendLoad?.receive(text, now)
}

function make(
  endpoints: readonly FakeCandidate[],
  options: ReportedWeightsOptions = {},
): Picker<FakeCandidate> {
  return orcaWeightedRoundRobin(options)(endpoints, seededRandom(1), registeredWeight)
}

/** What each gets of the picks, in parts of the first one's. */
function ratios(picker: Picker<FakeCandidate>, endpoints: readonly FakeCandidate[], picks = 3300): number[] {
  const counts = endpoints.map(() => 0)
  for (let n = 0; n < picks; n++) {
    const place = endpoints.indexOf(picker.pick(context) as FakeCandidate)
    counts[place] = (counts[place] ?? 0) + 1
  }
  return counts.map((count) => count / (counts[0] ?? 0))
}

/** The ratios are these within 3%: a whole cycle has not gone round, and weights are whole numbers. */
function expectRatios(
  picker: Picker<FakeCandidate>,
  endpoints: readonly FakeCandidate[],
  wanted: number[],
): void {
  ratios(picker, endpoints).forEach((ratio, place) =>
    expect(
      Math.abs(ratio / (wanted[place] ?? 0) - 1),
      `of ${wanted.join(':')}, number ${place}`,
    ).toBeLessThan(0.03),
  )
}

// What grpc-go's balancer_test.go reports, and the weights it wants of that.
describe("gRPC's cases", () => {
  test.each<[string, Load[], number[], number]>([
    ['TwoAddresses_ReportingEnabledPerCall', [{ utilization: 1 }, { utilization: 0.1 }], [1, 10], 0],
    ['TwoAddresses_UpdateLoads', [{ utilization: 0.1 }, { utilization: 1 }], [1, 0.1], 0],
    ['TwoAddresses_ErrorPenalty, before', [{ utilization: 1 }, { utilization: 0.1, eps: 10 }], [1, 10], 0],
    ['TwoAddresses_ErrorPenalty, after', [{ utilization: 1 }, { utilization: 0.1, eps: 10 }], [1, 1], 0.9],
    [
      'AddressesChanging',
      [{ utilization: 1 }, { utilization: 0.1 }, { qps: 20, utilization: 1 }, { qps: 20, utilization: 0.1 }],
      [1, 10, 2, 20],
      0,
    ],
  ])('%s', (_, loads, wanted, errorPenalty) => {
    const endpoints = candidates(loads.map(() => 1))
    const picker = make(endpoints, { blackoutMs: 0, errorPenalty })
    endpoints.forEach((endpoint, place) => report(endpoint, 0, loads[place]))
    picker.refresh?.(0)
    expectRatios(picker, endpoints, wanted)
  })

  test.each([1000, 10_000])('TwoAddresses_BlackoutPeriod, %i ms', (blackoutMs) => {
    const [a, b] = candidates([1, 1]) as Pair
    // The default is 10 s.
    const picker = make([a, b], blackoutMs === 10_000 ? {} : { blackoutMs })
    report(a, 500, { utilization: 1 })
    report(b, 500, { utilization: 0.1 })
    for (const now of [500, 500 + blackoutMs - 1]) {
      picker.refresh?.(now)
      expectRatios(picker, [a, b], [1, 1])
    }
    picker.refresh?.(500 + blackoutMs + SECOND)
    expectRatios(picker, [a, b], [1, 10])
  })

  test('TwoAddresses_WeightExpiration', () => {
    const [a, b] = candidates([1, 1]) as Pair
    const picker = make([a, b], { blackoutMs: 0, expiryMs: 60_000 })
    report(a, 0, { utilization: 1 })
    report(b, 0, { utilization: 0.1 })
    picker.refresh?.(59_000)
    expectRatios(picker, [a, b], [1, 10])
    picker.refresh?.(61_000)
    expectRatios(picker, [a, b], [1, 1])
  })

  test('OneAddress', () => {
    const [only] = candidates([1])
    const picker = make(only === undefined ? [] : [only], { blackoutMs: 0 })
    for (let now = 0; now < 100; now++) {
      report(only as FakeCandidate, now * SECOND, { qps: now })
      picker.refresh?.(now * SECOND)
      expect(picker.pick(context)).toBe(only)
    }
  })
})

test('who reports twice the utilization at the same rate gets half', () => {
  const [a, b] = candidates([1, 1]) as Pair
  const picker = make([a, b])
  for (let now = 0; now <= 11 * SECOND; now += SECOND) {
    report(a, now, { utilization: 0.3, qps: 100 })
    report(b, now, { utilization: 0.6, qps: 100 })
    picker.refresh?.(now)
  }
  expectRatios(picker, [a, b], [1, 0.5])
})

test('the penalty is 1 unless it is said: a server that fails every request counts as fully loaded besides', () => {
  const [a, b] = candidates([1, 1]) as Pair
  const picker = make([a, b], { blackoutMs: 0 })
  report(a, 0, { utilization: 0.5 })
  report(b, 0, { utilization: 0.5, eps: 10 })
  picker.refresh?.(0)
  expectRatios(picker, [a, b], [1, 0.5 / 1.5])
})

describe('an endpoint without a weight of its own', () => {
  test('gets the mean of the others', () => {
    const endpoints = candidates([1, 1, 1])
    const [a, b] = endpoints as [FakeCandidate, FakeCandidate, FakeCandidate]
    const picker = make(endpoints, { blackoutMs: 0 })
    report(a, 0, { qps: 10 })
    report(b, 0, { qps: 30 })
    picker.refresh?.(0)
    expectRatios(picker, endpoints, [1, 3, 2])
  })

  test("leaves Consul's weights standing where fewer than two have one", () => {
    const endpoints = candidates([4, 2, 1])
    const picker = make(endpoints, { blackoutMs: 0 })
    expectRatios(picker, endpoints, [1, 0.5, 0.25])
    report(endpoints[2] as FakeCandidate, 0, { qps: 1000 })
    picker.refresh?.(0)
    expectRatios(picker, endpoints, [1, 0.5, 0.25])
  })

  test('is one that was out of use, until it has reported for long enough after it', () => {
    const [a, b] = candidates([1, 1]) as Pair
    const picker = make([a, b], { blackoutMs: 10 * SECOND })
    const reportBoth = (now: number): void => {
      report(a, now, { utilization: 0.1 })
      report(b, now, { utilization: 0.2 })
    }
    reportBoth(0)
    picker.refresh?.(10 * SECOND)
    expectRatios(picker, [a, b], [1, 0.5])
    b.usableSince = 11 * SECOND
    picker.refresh?.(12 * SECOND)
    expectRatios(picker, [a, b], [1, 1])
    // Long after, but it has not said a word.
    picker.refresh?.(30 * SECOND)
    expectRatios(picker, [a, b], [1, 1])
    reportBoth(31 * SECOND)
    picker.refresh?.(31 * SECOND)
    expectRatios(picker, [a, b], [1, 0.5])
  })

  test('is one that was out of use, for as long as the blackout lasts', () => {
    const [a, b] = candidates([1, 1]) as Pair
    const picker = make([a, b], { blackoutMs: 10 * SECOND })
    for (let now = 0; now <= 21 * SECOND; now += SECOND) {
      if (now === 11 * SECOND) b.usableSince = now
      report(a, now, { utilization: 0.1 })
      report(b, now, { utilization: 0.2 })
      picker.refresh?.(now)
      if (now === 20 * SECOND) expectRatios(picker, [a, b], [1, 1])
    }
    expectRatios(picker, [a, b], [1, 0.5])
  })

  test('is one that reports again after it was silent for long', () => {
    const [a, b] = candidates([1, 1]) as Pair
    const picker = make([a, b], { blackoutMs: 10 * SECOND, expiryMs: 60 * SECOND })
    report(b, 0, { utilization: 0.2 })
    report(a, 0)
    report(a, 50 * SECOND)
    report(a, 100 * SECOND)
    report(b, 100 * SECOND, { utilization: 0.2 })
    picker.refresh?.(101 * SECOND)
    expectRatios(picker, [a, b], [1, 1])
    picker.refresh?.(110 * SECOND)
    expectRatios(picker, [a, b], [1, 0.5])
  })
})

test('one mistaken server gets ten times the middle at most, and who is worst a hundredth of it', () => {
  const endpoints = candidates([1, 1, 1, 1])
  const [a, b, mad, worst] = endpoints as [FakeCandidate, FakeCandidate, FakeCandidate, FakeCandidate]
  const seen: number[] = []
  const picker = reportedWeights({ blackoutMs: 0 })((members, _, weightOf) => {
    seen.splice(0, seen.length, ...members.map((member) => weightOf(member)))
    return { pick: () => undefined }
  })(endpoints, seededRandom(1), registeredWeight)
  for (const endpoint of [a, b]) report(endpoint, 0, { qps: 10, utilization: 1 })
  report(mad, 0, { qps: 1e9, utilization: 1e-300 })
  report(worst, 0, { qps: 1e-9, utilization: 1e9, eps: 1e9 })
  picker.refresh?.(0)
  const [ofA = 0, ofB, ofMad = 0, ofWorst = 0] = seen
  expect(ofB).toBe(ofA)
  expect(ofMad / ofA).toBeCloseTo(10, 1)
  expect(ofWorst / ofA).toBeCloseTo(0.01, 2)
})

test('between two the larger weight is the one that is suspect', () => {
  const [a, b] = candidates([1, 1]) as Pair
  const picker = make([a, b], { blackoutMs: 0 })
  report(a, 0, { qps: 10, utilization: 1 })
  report(b, 0, { qps: 1e9, utilization: 1 })
  picker.refresh?.(0)
  expectRatios(picker, [a, b], [1, 10])
})

test('without a penalty errors are nothing, however many there are to a request', () => {
  const [a, b] = candidates([1, 1]) as Pair
  const picker = make([a, b], { blackoutMs: 0, errorPenalty: 0 })
  report(a, 0, { qps: 10, utilization: 1 })
  report(b, 0, { qps: 5e-324, utilization: 1, eps: 1e9 })
  picker.refresh?.(0)
  expectRatios(picker, [a, b], [1, 0.1])
})

describe('the inner picker', () => {
  /** A layer over a balancer that counts how often it is built. */
  function counted(options: ReportedWeightsOptions = {}): { balancer: Balancer; built: () => number } {
    let built = 0
    const inner: Balancer = (endpoints, random, weightOf) => {
      built++
      return weightedRoundRobin(endpoints, random, weightOf)
    }
    return { balancer: reportedWeights({ blackoutMs: 0, ...options })(inner), built: () => built }
  }

  test('is made anew for weights that change by more than 5%, and never by a pick', () => {
    const [a, b] = candidates([1, 1]) as Pair
    const { balancer, built } = counted()
    const picker = balancer([a, b], seededRandom(1), registeredWeight)
    expect(built()).toBe(1)
    const tell = (now: number, qps: number): void => {
      report(a, now, { qps: 100 })
      report(b, now, { qps })
      for (let n = 0; n < 10; n++) picker.pick(context)
      picker.refresh?.(now)
    }
    tell(0, 100)
    tell(1000, 103)
    tell(2000, 97)
    expect(built()).toBe(1)
    tell(3000, 200)
    expect(built()).toBe(2)
    // A slow drift is a change all the same: it is measured against what is in use.
    for (let step = 1; step <= 20; step++) tell(3000 + step * SECOND, 200 + step * 10)
    expect(built()).toBeGreaterThan(3)
    expect(built()).toBeLessThan(12)
    const [, ratio = 0] = ratios(picker, [a, b])
    expect(Math.abs(ratio / 4 - 1)).toBeLessThan(0.08)
  })

  test('is made anew no more often than updateMs, which is no less than 100', () => {
    for (const [updateMs, expected] of [
      [5000, 2],
      [0, 10],
    ] as const) {
      const [a, b] = candidates([1, 1]) as Pair
      const { balancer, built } = counted({ updateMs })
      const picker = balancer([a, b], seededRandom(1), registeredWeight)
      for (let now = 0; now < 1000; now += 10) {
        report(a, now, { qps: 10 })
        report(b, now, { qps: (now / 10) % 2 === 0 ? 20 : 80 })
        if ((now / 10) % 7 === 0 || updateMs === 5000) picker.refresh?.(now)
      }
      expect(built()).toBeLessThanOrEqual(expected)
      expect(built()).toBeGreaterThan(1)
    }
  })

  test('is refreshed, whether its weights have changed or not', () => {
    const heard: number[] = []
    const endpoints = candidates([1, 1])
    const balancer = reportedWeights()(() => ({ pick: () => undefined, refresh: (now) => heard.push(now) }))
    const picker = balancer(endpoints, seededRandom(1), registeredWeight)
    for (const now of [0, 10, 20]) picker.refresh?.(now)
    expect(heard).toEqual([0, 10, 20])
  })

  test('that watches load: the newest has the word', () => {
    const [a, b] = candidates([1, 1]) as Pair
    const picker = reportedWeights({ blackoutMs: 0 })(leastConnections)(
      [a, b],
      seededRandom(1),
      registeredWeight,
    )
    report(a, 0, { qps: 100 })
    report(b, 0, { qps: 10 })
    picker.refresh?.(0)
    for (let n = 0; n < 33; n++) picker.pick(context)?.begin()
    expect([a.inflight, b.inflight]).toEqual([30, 3])
    for (let n = 0; n < 3; n++) b.end()
    for (let n = 0; n < 3; n++) picker.pick(context)?.begin()
    expect([a.inflight, b.inflight]).toEqual([30, 3])
  })

  test('of a new set begins with the weights that its endpoints have', () => {
    const endpoints = candidates([1, 1, 1])
    const [a, b, late] = endpoints as [FakeCandidate, FakeCandidate, FakeCandidate]
    const balancer = orcaWeightedRoundRobin()
    const first = balancer([a, b], seededRandom(1), registeredWeight)
    for (const now of [0, 20 * SECOND]) {
      report(a, now, { utilization: 0.1 })
      report(b, now, { utilization: 0.3 })
    }
    first.refresh?.(20 * SECOND)
    expectRatios(balancer([a, b, late], seededRandom(2), registeredWeight), endpoints, [1, 1 / 3, 2 / 3])
  })
})

test('a layer before it scales these weights as it would have scaled those of Consul', () => {
  const [a, b] = candidates([2, 3]) as Pair
  const halved: Layer = (next) => (endpoints, random, weightOf) => {
    const weight: WeightOf = (endpoint) => weightOf(endpoint) / 2
    return next(endpoints, random, (endpoint) =>
      endpoint.instance === a.instance ? weight(endpoint) : endpoint.instance.weight,
    )
  }
  const balancer = compose(halved, reportedWeights({ blackoutMs: 0 }), 'weighted_round_robin')
  const picker = balancer([a, b], seededRandom(1), registeredWeight)
  expectRatios(picker, [a, b], [1, 3])
  report(a, 0, { qps: 10 })
  report(b, 0, { qps: 20 })
  picker.refresh?.(0)
  expectRatios(picker, [a, b], [1, 4])
})

test('says which weights it goes by', () => {
  const endpoints = candidates([1, 1, 1])
  const picker = make(endpoints, { blackoutMs: 0 })
  const steps = (): string[] => {
    const said: string[] = []
    const heard = {
      step: (text: string) => said.push(text),
      compared: () => undefined,
      skipped: () => undefined,
    }
    expect(endpoints).toContain(picker.explain?.(context, heard))
    return said
  }
  expect(steps()[0]).toBe(
    '0 of 3 endpoints have reported load for long enough: their weights in Consul stand',
  )
  for (const endpoint of endpoints.slice(0, 2)) report(endpoint, 0)
  picker.refresh?.(0)
  expect(steps()[0]).toBe(
    'weights are by reported load, which 2 of 3 endpoints have; the others get the mean',
  )
})

test('whatever is reported, weights are whole, no less than 1, and their ratios bounded', () => {
  const amount = fc.oneof(
    fc.double({ min: 0, max: 1e9, noNaN: true }),
    fc.constantFrom(0, 5e-324, 1e-9, 1, 1e9),
  )
  const load = fc.record({ qps: amount, utilization: amount, eps: amount })
  fc.assert(
    fc.property(fc.array(load, { minLength: 2, maxLength: 8 }), fc.nat({ max: 5 }), (loads, errorPenalty) => {
      const endpoints = candidates(loads.map((_, place) => 1 + place))
      let weights: number[] = []
      const balancer = reportedWeights({ blackoutMs: 0, errorPenalty })((members, _, weightOf) => {
        weights = members.map((member) => weightOf(member))
        return { pick: () => undefined }
      })
      const picker = balancer(endpoints, seededRandom(1), registeredWeight)
      endpoints.forEach((endpoint, place) => report(endpoint, 0, loads[place]))
      picker.refresh?.(0)
      for (const weight of weights) {
        expect(Number.isInteger(weight)).toBe(true)
        expect(weight).toBeGreaterThanOrEqual(1)
      }
      // A thousand, and what rounding to whole numbers does to one that is near 1.
      expect(Math.max(...weights) / Math.min(...weights)).toBeLessThanOrEqual(2000)
    }),
    { numRuns: 1000 },
  )
})

test.each<[ReportedWeightsOptions, string]>([
  [{ blackoutMs: -1 }, 'blackoutMs is -1'],
  [{ expiryMs: 0 }, 'expiryMs is 0'],
  [{ updateMs: 1.5 }, 'updateMs is 1.5'],
  [{ errorPenalty: -1 }, 'errorPenalty is -1: it must be a number from 0 to 1000000'],
  [{ errorPenalty: NaN }, 'errorPenalty is NaN'],
])('refuses %o', (options, message) => {
  expect(() => reportedWeights(options)).toThrow(message)
})
