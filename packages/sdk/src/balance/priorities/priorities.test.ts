import { describe, expect, test } from 'vitest'
import { FakeCandidate, seededRandom } from '../../testing/index.js'
import type { Balancer, PickContext } from '../picker.js'
import { roundRobin } from '../policies/round-robin.js'
import { priorities, type PriorityPicker } from './priorities.js'

const context: PickContext<FakeCandidate> = { now: 0, tried: [] }

/** So many endpoints of one priority. */
function ofPriority(priority: number, count: number, weight = 1): FakeCandidate[] {
  return Array.from(
    { length: count },
    (_, index) => new FakeCandidate(1 + priority * 100 + index, weight, priority),
  )
}

function make(
  endpoints: readonly FakeCandidate[],
  excluded: Record<number, number> = {},
  panicThreshold = 0,
): PriorityPicker<FakeCandidate> {
  const counts = new Map(Object.entries(excluded).map(([priority, count]) => [Number(priority), count]))
  return priorities(roundRobin, endpoints, { excluded: counts, panicThreshold }, seededRandom(1))
}

const PICKS = 10_000

/** The percentage of picks that go to each priority. */
function shares(picker: PriorityPicker<FakeCandidate>, wanted: readonly number[]): number[] {
  const counts = new Map<number, number>()
  for (let n = 0; n < PICKS; n++) {
    const { priority } = (picker.pick(context) as FakeCandidate).instance
    counts.set(priority, (counts.get(priority) ?? 0) + 1)
  }
  return wanted.map((priority) => ((counts.get(priority) ?? 0) * 100) / PICKS)
}

// Three standard deviations of 10,000 draws with a chance of a half are 1.5 percent.
function expectShares(actual: readonly number[], wanted: readonly number[]): void {
  expect(actual.length).toBe(wanted.length)
  actual.forEach((share, index) => {
    const want = wanted[index] ?? NaN
    // 0 and 100 are exact.
    if (want === 0 || want === 100) expect(share).toBe(want)
    else expect(Math.abs(share - want)).toBeLessThan(1.5)
  })
}

describe('priorities', () => {
  test('the first carries all while it is healthy', () => {
    expectShares(shares(make([...ofPriority(0, 10), ...ofPriority(1, 10)]), [0, 1]), [100, 0])
  })

  test('an open circuit moves load to the next priority at once, and back when it closes', () => {
    const [first, second] = [ofPriority(0, 4), ofPriority(1, 4)]
    const picker = make([...first, ...second])
    for (const endpoint of first.slice(0, 2)) endpoint.available = false
    picker.refresh(0)
    expectShares(shares(picker, [0, 1]), [70, 30])
    for (const endpoint of first) endpoint.available = false
    picker.refresh(0)
    expectShares(shares(picker, [0, 1]), [0, 100])
    for (const endpoint of first) endpoint.available = true
    picker.refresh(0)
    expectShares(shares(picker, [0, 1]), [100, 0])
  })

  test('a priority that is down is skipped even before a refresh', () => {
    const first = ofPriority(0, 3)
    const picker = make([...first, ...ofPriority(1, 3)])
    for (const endpoint of first) endpoint.available = false
    expectShares(shares(picker, [0, 1]), [0, 100])
  })

  test('what is registered and excluded counts as unhealthy', () => {
    expectShares(shares(make([...ofPriority(0, 5), ...ofPriority(1, 10)], { 0: 5 }), [0, 1]), [70, 30])
    // A priority whose endpoints are all excluded does not stand in the way.
    expectShares(shares(make(ofPriority(1, 10), { 0: 5 }), [1]), [100])
    expectShares(shares(make([...ofPriority(1, 5), ...ofPriority(2, 10)], { 0: 5, 1: 5 }), [1, 2]), [70, 30])
  })

  test('endpoints of weight 0 count as registered, so that the few others of their priority are not overrun', () => {
    expectShares(
      shares(make([...ofPriority(0, 5), ...ofPriority(0, 5, 0), ...ofPriority(1, 10)]), [0, 1]),
      [70, 30],
    )
  })

  test('retained endpoints do not count: discovery says that they are gone', () => {
    const retained = ofPriority(0, 5)
    for (const endpoint of retained) endpoint.retained = true
    expectShares(shares(make([...ofPriority(0, 5), ...retained, ...ofPriority(1, 10)]), [0, 1]), [100, 0])
  })

  test('three priorities, all of them weak', () => {
    const endpoints = [...ofPriority(0, 4), ...ofPriority(1, 4), ...ofPriority(2, 5)]
    const picker = make(endpoints)
    // One available of each: 25%, 25% and 20%.
    for (const priority of [0, 1, 2])
      for (const endpoint of endpoints.filter(({ instance }) => instance.priority === priority).slice(1))
        endpoint.available = false
    picker.refresh(0)
    expectShares(shares(picker, [0, 1, 2]), [36, 36, 28])
  })

  test('priorities need not be numbered without gaps, nor come in order', () => {
    const endpoints = [...ofPriority(7, 2), ...ofPriority(3, 2)]
    expectShares(shares(make(endpoints), [3, 7]), [100, 0])
  })

  test('no endpoint is available at all', () => {
    const endpoints = [...ofPriority(0, 2), ...ofPriority(1, 2), ...ofPriority(0, 1, 0)]
    const picker = make(endpoints)
    for (const endpoint of endpoints) endpoint.available = false
    picker.refresh(0)
    expect(picker.pick(context)).toBeUndefined()
    expect(make([]).pick(context)).toBeUndefined()
  })
})

describe('a retry', () => {
  test('stays off what it has tried while any priority or last resort has another one', () => {
    const [first, second] = [ofPriority(0, 1), ofPriority(1, 1)] as [[FakeCandidate], [FakeCandidate]]
    const resort = ofPriority(0, 1, 0) as [FakeCandidate]
    const retained = ofPriority(1, 1) as [FakeCandidate]
    retained[0].retained = true
    const picker = make([...retained, ...resort, ...second, ...first])
    for (let n = 0; n < 200; n++) {
      expect(picker.pick({ now: 0, tried: first })).toBe(second[0])
      expect(picker.pick({ now: 0, tried: second })).toBe(first[0])
      expect(picker.pick({ now: 0, tried: [...first, ...second] })).toBe(resort[0])
      expect(picker.pick({ now: 0, tried: [...first, ...second, ...resort] })).toBe(retained[0])
    }
    expect(picker.pick({ now: 0, tried: [...first, ...second, ...resort, ...retained] })).toBeUndefined()
  })
})

test('a balancer sees one priority at a time, and only weights above 0', () => {
  const seen: (readonly number[])[] = []
  const spy: Balancer = (endpoints, random) => {
    seen.push(endpoints.map(({ instance }) => instance.priority))
    for (const { instance } of endpoints) expect(instance.weight).toBeGreaterThan(0)
    return roundRobin(endpoints, random)
  }
  const retained = ofPriority(0, 1)
  for (const endpoint of retained) endpoint.retained = true
  const endpoints = [...ofPriority(1, 2), ...ofPriority(0, 3), ...ofPriority(0, 1, 0), ...retained]
  priorities(spy, endpoints, { excluded: new Map(), panicThreshold: 0 }, seededRandom(1))
  expect(seen).toEqual([
    [0, 0, 0],
    [1, 1],
  ])
})

test('the last resorts take turns', () => {
  const resorts = ofPriority(0, 3, 0)
  const picker = make(resorts)
  const lap = [picker.pick(context), picker.pick(context), picker.pick(context)]
  expect(new Set(lap)).toEqual(new Set(resorts))
})

describe('panic', () => {
  test('sends nothing to what is proven not to answer, unless that holds for all', () => {
    const endpoints = ofPriority(0, 4)
    const [a, b, c, d] = endpoints
    const picker = make(endpoints, {}, 0.5)
    const picked = (): Set<FakeCandidate | undefined> =>
      new Set(Array.from({ length: 40 }, () => picker.pick(context)))
    for (const endpoint of endpoints.slice(0, 3)) endpoint.available = false
    for (const endpoint of endpoints.slice(0, 2)) endpoint.excludedInPanic = true
    picker.refresh(0)
    expect([picker.inPanic, picked()]).toEqual([[0], new Set([c, d])])
    // It comes to more of them, and back to fewer, while the panic lasts.
    Object.assign(c ?? {}, { excludedInPanic: true })
    picker.refresh(0)
    expect(picked()).toEqual(new Set([d]))
    Object.assign(a ?? {}, { excludedInPanic: false })
    picker.refresh(0)
    expect(picked()).toEqual(new Set([a, d]))
    for (const endpoint of endpoints) Object.assign(endpoint, { available: false, excludedInPanic: true })
    picker.refresh(0)
    expect(picked()).toEqual(new Set([a, b, c, d]))
  })

  test('goes on when the set changes', () => {
    const endpoints = ofPriority(0, 3)
    const seen: string[] = []
    for (const endpoint of endpoints) {
      endpoint.available = false
      let panic = endpoint.panic
      Object.defineProperty(endpoint, 'panic', {
        get: () => panic,
        set: (value: typeof panic) => seen.push((panic = value)),
      })
    }
    make(endpoints, {}, 0.5)
    make(endpoints.slice(1), {}, 0.5)
    expect(seen).toEqual(Array(5).fill('all'))
  })

  const HALF = 0.5

  function down(endpoints: readonly FakeCandidate[], count: number): void {
    endpoints.forEach((endpoint, index) => (endpoint.blocked = index < count))
  }

  function picked(picker: PriorityPicker<FakeCandidate>): Set<FakeCandidate | undefined> {
    return new Set(Array.from({ length: 100 }, () => picker.pick(context)))
  }

  test('begins below half and ends at half', () => {
    const endpoints = ofPriority(0, 10)
    const picker = make(endpoints, {}, HALF)
    down(endpoints, 5)
    picker.refresh(0)
    expect(picker.inPanic).toEqual([])
    expect(picked(picker)).toEqual(new Set(endpoints.slice(5)))
    down(endpoints, 6)
    picker.refresh(0)
    expect(picker.inPanic).toEqual([0])
    expect(picked(picker)).toEqual(new Set(endpoints))
    down(endpoints, 5)
    picker.refresh(0)
    expect(picker.inPanic).toEqual([])
    expect(picked(picker)).toEqual(new Set(endpoints.slice(5)))
  })

  test('balances over all where no endpoint is available, also in a set that is new', () => {
    const endpoints = ofPriority(0, 2)
    down(endpoints, 2)
    expect(picked(make(endpoints, {}, HALF))).toEqual(new Set(endpoints))
    expect(picked(make(endpoints))).toEqual(new Set([undefined]))
  })

  test('never counts against an instance what Consul says of others, nor brings those back', () => {
    const endpoints = ofPriority(0, 2)
    const picker = make(endpoints, { 0: 8 }, HALF)
    expect(picker.inPanic).toEqual([])
    expect(picked(picker)).toEqual(new Set(endpoints))
  })

  test('does not come while another priority carries the load', () => {
    const [first, second] = [ofPriority(0, 4), ofPriority(1, 4)]
    const picker = make([...first, ...second], {}, HALF)
    down(first, 4)
    picker.refresh(0)
    expect(picker.inPanic).toEqual([])
    expect(picked(picker)).toEqual(new Set(second))
    down(second, 3)
    picker.refresh(0)
    expect(picker.inPanic).toEqual([0, 1])
    expect(picked(picker)).toEqual(new Set([...first, ...second]))
  })

  test('does not come before the last resorts, while one of them is available', () => {
    const [first, resort] = [ofPriority(0, 4), ofPriority(0, 1, 0)]
    const picker = make([...first, ...resort], {}, HALF)
    down(first, 4)
    picker.refresh(0)
    expect(picker.inPanic).toEqual([])
    expect(picked(picker)).toEqual(new Set(resort))
    down(resort, 1)
    picker.refresh(0)
    expect(picked(picker)).toEqual(new Set(first))
  })

  describe('where only what is retained is available', () => {
    const safe = { ...context, idempotent: true }
    const unsafe = { ...context, idempotent: false }

    function set(threshold = HALF): [FakeCandidate[], FakeCandidate, PriorityPicker<FakeCandidate>] {
      const [first, kept] = [[...ofPriority(0, 2), ...ofPriority(1, 2)], new FakeCandidate(999)]
      kept.retained = true
      const picker = make([...first, kept], {}, threshold)
      down(first, 4)
      picker.refresh(0)
      return [first, kept, picker]
    }

    test('it gets what may go there, and what is listed is in panic for the others', () => {
      const [first, kept, picker] = set()
      const picks = (context: PickContext<FakeCandidate>) =>
        new Set(Array.from({ length: 200 }, () => picker.pick(context)))
      expect(picks(safe)).toEqual(new Set([kept]))
      expect(picks(unsafe)).toEqual(new Set(first))
      expect(picks({ ...unsafe, tried: first.slice(1) })).toEqual(new Set(first.slice(0, 1)))
      expect(picker.inPanic).toEqual([0, 1])
      // Nothing is left of it that a request which may go to retained endpoints would meet.
      expect(picks(safe)).toEqual(new Set([kept]))
      expect(first.some(({ available }) => available)).toBe(false)
      for (const endpoint of first) endpoint.blocked = false
      picker.refresh(0)
      expect(picker.inPanic).toEqual([])
      expect(picks(unsafe)).toEqual(new Set(first.slice(0, 2)))
    })

    test('and when that fails too, for all', () => {
      const [first, kept, picker] = set()
      kept.blocked = true
      picker.refresh(0)
      expect(new Set(Array.from({ length: 200 }, () => picker.pick(safe)))).toEqual(new Set(first))
    })

    test('unless there is to be no panic', () => {
      const [, kept, picker] = set(0)
      expect(picker.pick(unsafe)).toBeUndefined()
      expect(picker.pick(safe)).toBe(kept)
    })

    test('a balancer that throws leaves no panic behind', () => {
      const broken: Balancer = (endpoints) => ({
        pick: () => {
          if (endpoints.every(({ available }) => available)) throw new Error('broken')
          return undefined
        },
      })
      const [first, kept] = [ofPriority(0, 2), new FakeCandidate(999)]
      kept.retained = true
      down(first, 2)
      const picker = priorities(
        broken,
        [...first, kept],
        { excluded: new Map(), panicThreshold: HALF },
        seededRandom(1),
      )
      expect(() => picker.pick(unsafe)).toThrow('broken')
      expect(first.some(({ available }) => available)).toBe(false)
    })
  })

  test('is over with the picker: the next one begins anew', () => {
    const endpoints = ofPriority(0, 3)
    down(endpoints, 3)
    make(endpoints, {}, HALF)
    expect(endpoints.every(({ available }) => available)).toBe(true)
    make(endpoints)
    expect(endpoints.some(({ available }) => available)).toBe(false)
  })

  // Percent healthy of each priority, percent of the load, and whether the priority is in panic.
  test.each([
    [[72, 72], [100, 0], []],
    [[71, 71], [99, 1], []],
    [
      [25, 25],
      [50, 50],
      [0, 1],
    ],
    [[5, 65], [7, 93], [0]],
  ])('Envoy, panic_threshold.rst: %j takes %j, %j in panic', (healthy, loads, inPanic) => {
    const sets = healthy.map((percent, priority) => {
      const endpoints = ofPriority(priority, 100)
      down(endpoints, 100 - percent)
      return endpoints
    })
    const picker = make(sets.flat(), {}, HALF)
    expect(picker.inPanic).toEqual(inPanic)
    expectShares(shares(picker, [0, 1]), loads)
  })
})
