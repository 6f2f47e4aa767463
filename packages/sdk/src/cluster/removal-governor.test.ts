import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ExcludedInstance, Instance, Snapshot } from '../discovery/resolver.js'
import { placeOf } from '../discovery/place.js'
import { instanceAt } from '../testing/index.js'
import { RemovalGovernor, type GovernorOptions } from './removal-governor.js'

const options: GovernorOptions = { share: 0.5, windowMs: 10_000, retainMs: 60_000, maxRetainMs: 600_000 }
const DOUBT = 'the agent knows no leader'
const SECOND = 1000

const fleet = Array.from({ length: 10 }, (_, index) => instanceAt(`http://10.0.0.1:${1 + index}`))

/** The instances of these numbers. */
const some = (...numbers: readonly number[]): readonly Instance[] =>
  fleet.filter((_, index) => numbers.includes(index))

const upTo = (count: number): readonly Instance[] => fleet.slice(0, count)

const without = (instances: readonly Instance[], gone: readonly Instance[]): readonly Instance[] =>
  instances.filter((instance) => !gone.includes(instance))

const excluded = (instance: Instance | undefined, kind: ExcludedInstance['kind']): ExcludedInstance => ({
  key: instance?.key ?? '',
  reason: kind,
  kind,
  priority: 0,
})

const set = (instances: readonly Instance[], rest: Partial<Snapshot> = {}): Snapshot => ({
  kind: 'snapshot',
  instances,
  excluded: [],
  ...rest,
})

const heldBy = (governor: RemovalGovernor): readonly Instance[] =>
  governor.retained.map(({ instance }) => instance)

/** A governor that has seen these listed for long. */
function knowing(instances: readonly Instance[], more: Partial<GovernorOptions> = {}): RemovalGovernor {
  const governor = new RemovalGovernor({ ...options, ...more })
  governor.govern(set(instances), -100 * SECOND)
  return governor
}

describe('a set that is considered', () => {
  test('changes nothing until it is adopted', () => {
    const governor = knowing(fleet)
    governor.govern(set(upTo(4)), 0)
    const before = governor.retained
    const considered = governor.consider(set([], { suspect: DOUBT }), SECOND)
    expect(considered.retained).toHaveLength(10)
    expect(considered.changes.begun).toEqual(upTo(4))
    expect(governor.retained).toEqual(before)
    considered.adopt()
    expect(heldBy(governor)).toHaveLength(10)
  })

  test('is forgotten where another one comes instead, as is what it said of instances', () => {
    const governor = knowing(fleet)
    governor.consider(set(upTo(1)), 0)
    governor.consider(set(fleet.map((instance) => ({ ...instance, weight: 9 }))), 0)
    governor.govern(set([]), SECOND)
    expect(heldBy(governor)).toEqual(fleet)
  })

  test.each(['adopted', 'not adopted'])('%s, what is heard meanwhile is not lost', (end) => {
    const governor = knowing(fleet)
    governor.govern(set(upTo(4)), 0)
    const [place, other, third] = [7, 8, 9].map((index) => placeOf(fleet[index] ?? instanceAt('http://x:1')))
    const considered = governor.consider(set(upTo(3)), SECOND)
    expect(governor.drop(place ?? '')).toBe(true)
    expect(governor.confirm(other ?? '', SECOND)).toBe(true)
    expect(governor.confirm(third ?? '', 59 * SECOND)).toBe(true)
    expect(governor.expire(61 * SECOND).map(({ instance }) => instance)).toEqual(some(4, 5, 6, 8))
    if (end === 'adopted') considered.adopt()
    expect(new Set(heldBy(governor))).toEqual(new Set(end === 'adopted' ? some(3, 9) : some(9)))
  })
})

describe('by how many', () => {
  test('up to the share are gone, above it all of them are kept', () => {
    expect(heldBy(knowing(fleet))).toEqual([])
    const half = knowing(fleet)
    expect(half.govern(set(upTo(5)), 0)).toEqual({ begun: [], reason: undefined, returned: [], released: [] })
    expect(heldBy(half)).toEqual([])
    const more = knowing(fleet)
    const gone = without(fleet, upTo(4))
    const reason = { kind: 'share' }
    expect(more.govern(set(upTo(4)), 0)).toEqual({ begun: gone, reason, returned: [], released: [] })
    expect(more.retained).toEqual(
      gone.map((instance) => ({ instance, reason, since: 0, until: 60 * SECOND, confirmed: false })),
    )
  })

  test('a single one that goes is what every deploy looks like', () => {
    const governor = knowing(upTo(1))
    governor.govern(set([]), 0)
    expect(heldBy(governor)).toEqual([])
  })

  test('two of two are more than one', () => {
    const governor = knowing(upTo(2))
    governor.govern(set([]), 0)
    expect(heldBy(governor)).toEqual(upTo(2))
  })

  test('one after the other counts together within the window, and brings back what was believed', () => {
    const governor = knowing(fleet)
    for (let left = 9; left >= 5; left--) {
      governor.govern(set(upTo(left)), (9 - left) * SECOND)
      expect(heldBy(governor)).toEqual([])
    }
    expect(governor.govern(set(upTo(4)), 5 * SECOND).begun).toHaveLength(6)
    expect(heldBy(governor)).toHaveLength(6)
  })

  test('spread over more than the window it is believed, but for the last two', () => {
    const governor = knowing(fleet)
    for (let left = 9; left >= 0; left--) {
      governor.govern(set(upTo(left)), (9 - left) * 10.001 * SECOND)
      expect(heldBy(governor)).toEqual([])
    }
  })

  test('replacing all at once is no loss', () => {
    const governor = knowing(upTo(5))
    governor.govern(set(without(fleet, upTo(5))), 0)
    expect(heldBy(governor)).toEqual([])
  })

  test('the share is an option, and so is the window', () => {
    const strict = knowing(fleet, { share: 0 })
    strict.govern(set(upTo(9)), 0)
    expect(heldBy(strict)).toEqual([])
    strict.govern(set(upTo(8)), 1)
    expect(heldBy(strict)).toHaveLength(2)
    const never = knowing(fleet, { share: 1 })
    never.govern(set([]), 0)
    expect(heldBy(never)).toEqual([])
    const brief = knowing(fleet, { windowMs: 0 })
    brief.govern(set(upTo(5)), 0)
    brief.govern(set(upTo(3)), 1)
    expect(heldBy(brief)).toEqual([])
  })

  test('what is kept stays although a later answer lists some of it again', () => {
    const governor = knowing(fleet)
    governor.govern(set(upTo(2)), 0)
    expect(governor.govern(set(upTo(8)), SECOND)).toMatchObject({
      returned: some(2, 3, 4, 5, 6, 7),
      released: [],
    })
    expect(heldBy(governor)).toEqual(some(8, 9))
  })
})

describe('by doubt', () => {
  test('whatever a doubtful answer leaves out is kept, be it one', () => {
    const governor = knowing(fleet)
    const reason = { kind: 'suspect', suspect: DOUBT }
    expect(governor.govern(set(upTo(9), { suspect: DOUBT }), 0)).toMatchObject({ begun: some(9), reason })
    expect(governor.retained).toMatchObject([{ instance: fleet[9], reason, since: 0, until: 60 * SECOND }])
  })

  test('what answers before it have removed is gone', () => {
    const governor = knowing(fleet)
    governor.govern(set(upTo(9)), 0)
    governor.govern(set(upTo(8), { suspect: DOUBT }), SECOND)
    expect(heldBy(governor)).toEqual(some(8))
  })

  test('of few, the next answer that can be believed decides', () => {
    const governor = knowing(fleet)
    governor.govern(set(upTo(8), { suspect: DOUBT }), 0)
    expect(governor.govern(set(upTo(9)), SECOND)).toEqual({
      begun: [],
      reason: undefined,
      returned: some(8),
      released: some(9),
    })
    expect(heldBy(governor)).toEqual([])
  })

  test('of many, it is kept on, for another reason and with all of its time', () => {
    const governor = knowing(fleet)
    governor.govern(set([], { suspect: DOUBT }), 0)
    expect(governor.govern(set([]), 50 * SECOND)).toMatchObject({ begun: [], released: [] })
    expect(governor.retained[0]).toMatchObject({ reason: { kind: 'share' }, since: 0, until: 110 * SECOND })
    expect(governor.retained).toHaveLength(10)
  })

  test('what one answer repeats counts together with what the next removes', () => {
    const governor = knowing(fleet)
    governor.govern(set(upTo(6), { suspect: DOUBT }), 0)
    governor.govern(set(upTo(6)), 50 * SECOND)
    expect(heldBy(governor)).toEqual([])
    governor.govern(set(upTo(3)), 51 * SECOND)
    expect(heldBy(governor)).toHaveLength(7)
  })

  test('a doubtful answer again changes nothing, and renews no time', () => {
    const governor = knowing(fleet)
    governor.govern(set(upTo(8), { suspect: DOUBT }), 0)
    const { retained: kept } = governor
    governor.govern(set(upTo(8), { suspect: 'results are filtered' }), SECOND)
    expect(governor.retained).toEqual(kept)
  })
})

describe('deliberate removals', () => {
  test('are never kept, neither by doubt nor by how many', () => {
    const taken = fleet.map((instance) => excluded(instance, 'deliberate'))
    const governor = knowing(fleet)
    governor.govern(set([], { excluded: taken }), 0)
    expect(heldBy(governor)).toEqual([])
    const doubtful = knowing(fleet)
    doubtful.govern(set([], { excluded: taken, suspect: DOUBT }), 0)
    expect(heldBy(doubtful)).toEqual([])
  })

  test('end what was kept, and do not count', () => {
    const governor = knowing(fleet)
    governor.govern(set(upTo(4)), 0)
    const taken = [excluded(fleet[9], 'deliberate')]
    expect(governor.govern(set(upTo(4), { excluded: taken }), 1)).toMatchObject({ released: some(9) })
    // Four of eight are gone: with the ninth it would be more than half.
    const few = knowing(upTo(9))
    few.govern(set(upTo(4), { excluded: [excluded(fleet[8], 'deliberate')] }), 0)
    expect(heldBy(few)).toEqual([])
  })

  test('being critical or unusable is not deliberate', () => {
    const governor = knowing(upTo(2))
    const kinds = [excluded(fleet[0], 'unhealthy'), excluded(fleet[1], 'unusable')]
    governor.govern(set([], { excluded: kinds }), 0)
    expect(heldBy(governor)).toEqual(upTo(2))
  })
})

describe('what is not known from an answer', () => {
  const saved = set(fleet, { savedAt: 0 })

  test('a set from disk gives no claim against the first answer that can be believed', () => {
    const governor = new RemovalGovernor(options)
    governor.govern(saved, 0)
    expect(governor.govern(set(upTo(1)), SECOND)).toMatchObject({ begun: [], released: [] })
    expect(heldBy(governor)).toEqual([])
    // What that lists has one against the next.
    governor.govern(set([]), 2 * SECOND)
    expect(heldBy(governor)).toEqual([])
    const later = new RemovalGovernor(options)
    later.govern(saved, 0)
    later.govern(set(upTo(4)), SECOND)
    later.govern(set([]), 2 * SECOND)
    expect(heldBy(later)).toEqual(upTo(4))
  })

  test('nor where doubtful answers come before it; those make a fact of what they list', () => {
    const governor = new RemovalGovernor(options)
    governor.govern(saved, 0)
    governor.govern(set(upTo(3), { suspect: DOUBT }), SECOND)
    expect(heldBy(governor)).toHaveLength(7)
    expect(governor.govern(set([]), 2 * SECOND).released).toEqual(without(fleet, upTo(3)))
    expect(heldBy(governor)).toEqual(upTo(3))
  })

  test('nor does what is known from before a pause', () => {
    const governor = knowing(fleet)
    governor.govern(set(upTo(4)), 0)
    governor.lapse()
    expect(heldBy(governor)).toHaveLength(6)
    expect(governor.govern(set([]), SECOND).released).toHaveLength(6)
    expect(heldBy(governor)).toEqual([])
  })
})

describe('traffic and time', () => {
  const kept = (): RemovalGovernor => {
    const governor = knowing(upTo(3))
    governor.govern(set([]), 0)
    return governor
  }
  const [a, b, c] = upTo(3).map(placeOf) as [string, string, string]

  test('an answer renews the time of that one, up to the most', () => {
    const governor = kept()
    expect(governor.confirm(a, 30 * SECOND)).toBe(true)
    expect(governor.confirm(a, 40 * SECOND)).toBe(false)
    expect(governor.retained.map(({ until, confirmed }) => [until, confirmed])).toEqual([
      [100 * SECOND, true],
      [60 * SECOND, false],
      [60 * SECOND, false],
    ])
    expect(governor.nextExpiry).toBe(60 * SECOND)
    expect(governor.expire(60 * SECOND).map(({ instance }) => instance)).toEqual(some(1, 2))
    governor.confirm(a, 599 * SECOND)
    expect(governor.nextExpiry).toBe(600 * SECOND)
    expect(governor.expire(600 * SECOND - 1)).toEqual([])
    expect(governor.expire(600 * SECOND)).toHaveLength(1)
    expect(governor.nextExpiry).toBeUndefined()
  })

  test('the most is the most of the first time as well', () => {
    const governor = knowing(upTo(2), { retainMs: 60_000, maxRetainMs: 1200 })
    governor.govern(set([]), 0)
    expect(governor.nextExpiry).toBe(1200)
  })

  test('what is over within the same second is over together', () => {
    const governor = kept()
    governor.confirm(a, 30 * SECOND + 1)
    governor.confirm(b, 30 * SECOND + 999)
    governor.confirm(c, 31 * SECOND)
    expect(governor.expire(90 * SECOND)).toHaveLength(2)
    expect(governor.nextExpiry).toBe(91 * SECOND)
  })

  test('one that is dropped is gone, and not missing any more', () => {
    const governor = kept()
    expect(governor.drop(b)).toBe(true)
    expect(governor.drop(b)).toBe(false)
    expect(heldBy(governor)).toEqual(some(0, 2))
    governor.govern(set([], { suspect: DOUBT }), SECOND)
    expect(heldBy(governor)).toEqual(some(0, 2))
  })

  test('listed again after it was dropped, it is as any other', () => {
    const governor = kept()
    governor.drop(c)
    governor.govern(set(upTo(3)), SECOND)
    governor.govern(set([]), 2 * SECOND)
    expect(heldBy(governor)).toEqual(upTo(3))
  })

  test('words about what is not kept change nothing', () => {
    const governor = knowing(fleet)
    expect(governor.confirm(a, 0)).toBe(false)
    expect(governor.drop(a)).toBe(false)
    expect(governor.confirm('unknown', 0)).toBe(false)
    governor.govern(set([]), 0)
    expect(heldBy(governor)).toHaveLength(10)
  })
})

// The promises of the class, against what a reader of the whole history would say.
type Step =
  | {
      readonly kind: 'set'
      readonly listed: readonly number[]
      readonly taken: readonly number[]
      readonly doubtful: boolean
    }
  | { readonly kind: 'answer' | 'failure'; readonly which: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'pause' }

const numbers = fc.subarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
const someSet = fc.record({
  kind: fc.constant('set' as const),
  listed: numbers,
  taken: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, numbers),
  doubtful: fc.oneof({ weight: 2, arbitrary: fc.constant(false) }, fc.constant(true)),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: someSet },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('answer' as const), which: fc.nat({ max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('failure' as const), which: fc.nat({ max: 9 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 4000, 10_000, 59_999, 60_000, 250_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pause' as const) }) },
)

/** What has happened to one instance since it was last listed. */
interface Fate {
  /** Has an answer listed it, or is it known from disk or from before a pause? */
  fact: boolean
  /** When an answer that can be believed first left it out. */
  goneAt: number | undefined
  /** Taken out, dropped, expired, or gone before anybody followed discovery. */
  over: boolean
}

/** Keeps the history, and checks each promise after each step. */
class Witness {
  readonly #governor: RemovalGovernor
  readonly #options: GovernorOptions
  readonly #fates = new Map<Instance, Fate>()
  #listed: readonly Instance[] = []
  #now = 0

  constructor(more: GovernorOptions, saved: readonly number[] | undefined) {
    this.#options = more
    this.#governor = new RemovalGovernor(more)
    if (saved === undefined) return
    this.#governor.govern(set(some(...saved), { savedAt: 0 }), 0)
    this.#listed = some(...saved)
    for (const instance of this.#listed)
      this.#fates.set(instance, { fact: false, goneAt: undefined, over: false })
  }

  take(step: Step): void {
    if (step.kind === 'set') this.#set(some(...step.listed), step.taken, step.doubtful)
    if (step.kind === 'pass') this.#pass(step.ms)
    if (step.kind === 'answer') this.#answer(fleet[step.which] as Instance)
    if (step.kind === 'failure') this.#fail(fleet[step.which] as Instance)
    if (step.kind === 'pause') {
      this.#governor.lapse()
      for (const fate of this.#fates.values()) fate.fact = false
    }
    this.#always()
  }

  #set(listed: readonly Instance[], takenNumbers: readonly number[], doubtful: boolean): void {
    const taken = without(some(...takenNumbers), listed)
    const before = heldBy(this.#governor)
    const removed = without(without(this.#listed, listed), taken)
    const snapshot = set(listed, {
      excluded: taken.map((instance) => excluded(instance, 'deliberate')),
      suspect: doubtful ? DOUBT : undefined,
    })
    const verdict = this.#governor.govern(snapshot, this.#now)
    this.#remember(listed, taken, doubtful)
    const kept = heldBy(this.#governor)
    const begun = without(kept, before)
    const missing = [...this.#fates].filter(([, { over, goneAt }]) => !over && goneAt !== undefined)
    const recent = missing
      .filter(([, { goneAt = -Infinity }]) => this.#now - goneAt <= this.#options.windowMs)
      .map(([instance]) => instance)
    if (doubtful) {
      expect(new Set(begun)).toEqual(new Set(removed))
    } else if (recent.length <= Math.max(1, this.#options.share * (listed.length + recent.length))) {
      expect(begun).toEqual([])
      expect(this.#governor.retained.filter(({ reason }) => reason.kind === 'suspect')).toEqual([])
    } else {
      expect(kept).toEqual(expect.arrayContaining(recent))
      expect(recent).toEqual(expect.arrayContaining([...begun]))
    }
    expect(new Set(verdict.begun)).toEqual(new Set(begun))
    expect(verdict.reason !== undefined).toBe(begun.length > 0)
    const ended = without(before, kept)
    expect(new Set([...verdict.returned, ...verdict.released])).toEqual(new Set(ended))
    expect(verdict.returned).toEqual(ended.filter((instance) => listed.includes(instance)))
  }

  #remember(listed: readonly Instance[], taken: readonly Instance[], doubtful: boolean): void {
    this.#listed = listed
    for (const [instance, fate] of this.#fates) {
      if (listed.includes(instance)) continue
      if (taken.includes(instance)) fate.over = true
      if (doubtful) continue
      if (!fate.fact) fate.over = true
      fate.goneAt ??= this.#now
    }
    for (const instance of listed) this.#fates.set(instance, { fact: true, goneAt: undefined, over: false })
  }

  #pass(ms: number): void {
    this.#now += ms
    const over = this.#governor.expire(this.#now)
    for (const { instance, until } of over) {
      expect(until).toBeLessThanOrEqual(this.#now)
      this.#end(instance)
    }
  }

  #answer(instance: Instance): void {
    const others = this.#governor.retained
      .filter((kept) => kept.instance !== instance)
      .map((kept) => ({ ...kept }))
    this.#governor.confirm(placeOf(instance), this.#now)
    expect(this.#governor.retained.filter((kept) => kept.instance !== instance)).toEqual(others)
    const own = this.#governor.retained.find((kept) => kept.instance === instance)
    if (own === undefined) return
    expect(own.confirmed).toBe(true)
    const renewed = Math.min(this.#now + this.#options.retainMs, own.since + this.#options.maxRetainMs)
    expect(own.until).toBeLessThanOrEqual(renewed)
    expect(own.until).toBeGreaterThan(renewed - SECOND)
  }

  #fail(instance: Instance): void {
    const before = heldBy(this.#governor)
    // As a cluster does: only what is kept has a witness.
    if (!before.includes(instance)) return
    expect(this.#governor.drop(placeOf(instance))).toBe(true)
    expect(heldBy(this.#governor)).toEqual(without(before, [instance]))
    this.#end(instance)
  }

  #end(instance: Instance): void {
    const fate = this.#fates.get(instance)
    if (fate !== undefined) fate.over = true
  }

  #always(): void {
    const { retained: kept, nextExpiry } = this.#governor
    for (const { instance, since, until } of kept) {
      expect(this.#listed).not.toContain(instance)
      expect(this.#fates.get(instance)?.over).toBe(false)
      expect(until).toBeGreaterThan(this.#now)
      expect(until).toBeLessThanOrEqual(since + this.#options.maxRetainMs)
      expect(since).toBeLessThanOrEqual(this.#now)
    }
    expect(nextExpiry).toBe(kept.length === 0 ? undefined : Math.min(...kept.map(({ until }) => until)))
  }
}

test('keeps its promises, whatever discovery says and traffic finds, over any time', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(
        options,
        { ...options, share: 0.2 },
        { ...options, share: 0 },
        { ...options, maxRetainMs: 90_000 },
      ),
      fc.option(numbers, { nil: undefined }),
      fc.array(step, { maxLength: 40 }),
      (more, saved, steps) => {
        const witness = new Witness(more, saved)
        for (const one of steps) witness.take(one)
      },
    ),
    { numRuns: 500 },
  )
})

test('whatever happens, nothing is left in reserve once discovery and traffic have been silent for the most', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const governor = new RemovalGovernor(options)
      let now = 0
      for (const one of steps) {
        if (one.kind === 'set')
          governor.govern(set(some(...one.listed), one.doubtful ? { suspect: DOUBT } : {}), now)
        if (one.kind === 'answer') governor.confirm(placeOf(fleet[one.which] as Instance), now)
        if (one.kind === 'pass') now += one.ms
      }
      governor.expire(now + options.maxRetainMs)
      expect(governor.retained).toEqual([])
    }),
  )
})
