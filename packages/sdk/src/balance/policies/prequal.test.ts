import { registeredWeight } from '../picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FakeCandidate } from '../../testing/index.js'
import { candidates, seededRandom } from '../../testing/index.js'
import type { Picker, PickReport } from '../picker.js'
import { prequal, type PrequalOptions } from './prequal.js'
import { NONE, ProbePool } from '../structures/probe-pool.js'
import { Quantile } from '../structures/quantile.js'

/** Endpoints that have just reported this: requests in flight and milliseconds. */
interface Rig {
  readonly endpoints: readonly FakeCandidate[]
  readonly picker: Picker<FakeCandidate>
  readonly report: (index: number, inflight: number, latencyMs: number, more?: string, now?: number) => void
  readonly pick: (now?: number) => number
}

function rig(
  count: number,
  options: PrequalOptions = {},
  weights = Array.from({ length: count }, () => 1),
): Rig {
  const endpoints = candidates(weights)
  const picker = prequal({ removalsPerRequest: 0, ...options })(endpoints, seededRandom(1), registeredWeight)
  return {
    endpoints,
    picker,
    report: (index, inflight, latencyMs, more = '', now = 0) => {
      endpoints[index]?.backendLoad?.receive(
        `TEXT named_metrics.inflight=${inflight},named_metrics.latency_ms=${latencyMs}${more}`,
        now,
      )
    },
    pick: (now = 0) => endpoints.indexOf(picker.pick({ now, tried: [] }) as FakeCandidate),
  }
}

describe('of the endpoints that have reported', () => {
  test('the cold one with the least latency is taken, not a hot one that is faster', () => {
    // Nine of ten have one in flight, so that more than one is hot.
    const { report, pick } = rig(10, { hotQuantile: 0.5 })
    for (let index = 0; index < 9; index++) report(index, 1, 20 + index)
    report(9, 8, 1)
    report(3, 1, 5)
    expect(pick()).toBe(3)
  })

  test('where all are hot, the one with the fewest in flight', () => {
    const { endpoints, report, picker } = rig(4, { hotQuantile: 0 })
    for (let index = 0; index < 4; index++) report(index, 5 - index, 1 + index)
    const tried = endpoints.slice(3)
    // With the least of all values as the limit only that one is cold.
    expect(picker.pick({ now: 0, tried })).toBe(endpoints[2])
  })

  test('by requests in flight for their weight', () => {
    const { report, pick } = rig(2, { hotQuantile: 0 }, [1, 3])
    report(0, 2, 1)
    report(1, 3, 9)
    expect(pick()).toBe(1)
  })

  test('each request that is sent counts at once as one in flight', () => {
    const { report, pick } = rig(3, { hotQuantile: 0.5 })
    report(0, 2, 1)
    report(1, 2, 5)
    report(2, 2, 9)
    // Once it has one more than usual it is hot.
    expect([pick(), pick(), pick()]).toEqual([0, 1, 2])
  })

  test('one that fails fast is as slow as the attempts that one success takes', () => {
    const { report, pick } = rig(2)
    report(0, 0, 1, ',rps_fractional=100,eps=90')
    report(1, 0, 9)
    expect(pick()).toBe(1)
    report(0, 0, 1, ',rps_fractional=100,eps=80')
    expect(pick()).toBe(0)
  })

  test('one that is down or has failed the request is not', () => {
    const { endpoints, report, picker } = rig(3)
    report(0, 0, 1)
    report(1, 0, 2)
    report(2, 0, 3)
    const [first, second, third] = endpoints as [FakeCandidate, FakeCandidate, FakeCandidate]
    first.blocked = true
    expect(picker.pick({ now: 0, tried: [] })).toBe(second)
    // Fewer than two are left: by what this client has seen.
    expect(picker.pick({ now: 0, tried: [second] })).toBe(third)
    expect(picker.pick({ now: 0, tried: [second, third] })).toBeUndefined()
  })
})

describe('reports', () => {
  test.each([
    [undefined, 1000],
    [50, 50],
  ])('with maxAgeMs %s are used for %i ms, and not for one more', (maxAgeMs, lastMs) => {
    // By its report the first is the faster one, by what the client has seen the second. A rig for each pick, as the first
    // one counts as a request in flight there, which makes it hot: the next would be of the second in any case.
    const reported = (): Rig => {
      const made = rig(2, maxAgeMs === undefined ? {} : { maxAgeMs })
      if (made.endpoints[0] !== undefined) made.endpoints[0].latencyMs = 50
      made.report(0, 0, 1)
      made.report(1, 0, 100)
      return made
    }
    const explained = (now: number): string => {
      const steps: string[] = []
      const report = { step: (text: string) => steps.push(text), compared: () => undefined }
      reported().picker.explain?.({ now, tried: [] }, report as unknown as PickReport<FakeCandidate>)
      return steps[0] ?? ''
    }
    expect(reported().pick(lastMs)).toBe(0)
    expect(explained(lastMs)).toContain('of those that have reported load')
    expect(reported().pick(lastMs + 1)).toBe(1)
    expect(explained(lastMs + 1)).toContain('fewer than two eligible endpoints have reported load of late')
  })

  test('that are absent or lack what counts are not in the pool', () => {
    const { endpoints, pick } = rig(2)
    for (const { backendLoad } of endpoints) backendLoad?.receive('TEXT cpu_utilization=0.5', 0)
    endpoints[0]?.begin()
    for (let n = 0; n < 20; n++) expect(pick()).toBe(1)
  })

  test('are reused as often as makes up for those that are removed', () => {
    // (1 + 1) / ((1 - 16 / 32) x 6 - 1) = 1 use; of 3 probes, as often as they last.
    for (const [probesPerRequest, uses] of [
      [6, 1],
      [3, 16],
    ] as const) {
      const { report, pick } = rig(32, { probesPerRequest, removalsPerRequest: 1, hotQuantile: 1 })
      const first = [0, 1, 2].map((_, round) => {
        for (let index = 0; index < 16; index++) report(index, index === 15 ? 50 : 0, 10 + index, '', round)
        let picks = 0
        // One of the two that go for each request is the slowest or the oldest, and never the fastest of the newest.
        while (picks < 5 && pick(round) === 0) picks++
        return picks
      })
      if (uses === 1) expect(Math.max(...first)).toBeLessThanOrEqual(1)
      else expect(Math.max(...first)).toBeGreaterThan(2)
    }
  })

  test('the worst goes before the fast: hot ones first, then the slowest', () => {
    const { endpoints, report, pick, picker } = rig(32, {
      removalsPerRequest: 1,
      poolSize: 4,
      hotQuantile: 0.6,
    })
    report(0, 9, 1)
    report(1, 1, 50)
    report(2, 1, 5)
    report(3, 1, 9)
    // The hot one went.
    expect(pick()).toBe(2)
    const seen: string[] = []
    const tell = { step: () => undefined, skipped: () => undefined }
    picker.explain?.({ now: 0, tried: [] }, { ...tell, compared: ({ instance }) => seen.push(instance.key) })
    expect(seen).not.toContain(endpoints[0]?.instance.key)
  })
})

describe('probes', () => {
  const count = (endpoints: readonly FakeCandidate[]): number =>
    endpoints.reduce((sum, { probed }) => sum + probed.length, 0)

  test('are three for each request, at random, by weight, and never of one that is down', () => {
    const { endpoints, pick } = rig(4, {}, [1, 1, 2, 4])
    for (let n = 0; n < 4000; n++) pick()
    expect(count(endpoints)).toBe(12_000)
    endpoints.forEach(({ probed, instance }) =>
      expect(probed.length / 1500 / instance.weight).toBeCloseTo(1, 0.9),
    )
    expect(endpoints[0]?.probed[0]).toBe('/.well-known/endpoint-load')
    const before = endpoints[3]?.probed.length
    if (endpoints[3] !== undefined) endpoints[3].blocked = true
    for (let n = 0; n < 100; n++) pick()
    expect(endpoints[3]?.probed.length).toBe(before)
  })

  test('are fewer by the one that comes with the response', () => {
    const { endpoints, report, pick } = rig(3, { probesPerRequest: 1.5, maxAgeMs: 10_000 })
    for (let index = 0; index < 3; index++) report(index, 0, 1)
    for (let n = 0; n < 100; n++) pick()
    expect(count(endpoints)).toBe(50)
  })
})

test('what is learnt survives a new picker by endpoint: its last report is not requested again', () => {
  const { endpoints, report } = rig(2)
  report(0, 3, 7)
  const load = endpoints[0]?.backendLoad
  prequal()(endpoints, seededRandom(2), registeredWeight)
  expect(endpoints[0]?.backendLoad).toBe(load)
  expect(load).toMatchObject({ inflight: 3, latencyUs: 7000 })
})

test('a quantile of the last samples is what sorting them gives', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (samples, part) => {
        const quantile = new Quantile(part, 16, 20)
        samples.forEach((sample, index) => {
          quantile.add(sample)
          const window = samples.slice(Math.max(0, index - 15), index + 1).map((one) => Math.min(one, 20))
          window.sort((a, b) => a - b)
          expect(quantile.value).toBe(window[Math.max(1, Math.ceil(part * window.length)) - 1])
        })
      },
    ),
  )
})

test('a pool has each endpoint once, the last word of it, and no more than it holds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.boolean()), { maxLength: 100 }),
      (script) => {
        const pool = new ProbePool(4)
        const words = new Map<number, number>()
        script.forEach(([endpoint, isUse], time) => {
          if (isUse) {
            const slot = pool.oldest()
            if (slot !== NONE) pool.use(slot)
          } else {
            pool.add(endpoint, 0, time, time, 2)
            words.set(endpoint, time)
          }
          const present = Array.from({ length: pool.size }, (_, slot) => pool.endpoint(slot))
          expect(new Set(present).size).toBe(pool.size)
          expect(pool.size).toBeLessThanOrEqual(4)
          present.forEach((one, slot) => expect(pool.latencyUs(slot)).toBe(words.get(one)))
        })
      },
    ),
  )
})

test.each([
  [{ probePath: 'load' }, "probePath is 'load': it must be a path that begins with /"],
  [{ poolSize: 1 }, 'poolSize is 1: it must be a whole number from 2 to 256'],
  [{ maxAgeMs: 0 }, /maxAgeMs is 0/],
  [{ probesPerRequest: -1 }, 'probesPerRequest is -1: it must be a number from 0 to 10'],
  [{ hotQuantile: 2 }, 'hotQuantile is 2: it must be a number from 0 to 1'],
])('refuses %j', (options, message) => {
  expect(() => prequal(options)).toThrow(message)
})
