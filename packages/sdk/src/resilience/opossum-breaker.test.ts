import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Random } from '../random.js'
import { ManualClock, seededRandom } from '../testing/index.js'
import type { Breaker, BreakerState } from './breaker.js'
import type { Outcome } from './outcome.js'
import { opossumBreaker, type OpossumBreakerOptions } from './opossum-breaker.js'

const options: OpossumBreakerOptions = {
  volumeThreshold: 20,
  errorThresholdPercentage: 50,
  consecutiveFailures: false,
  windowMs: 10_000,
  resetMs: 5000,
  maxResetMs: 60_000,
}

/** The longest that jitter allows. */
const unlucky: Random = { next: () => 1, bits: () => -1 }

let clock: ManualClock
let states: BreakerState[]
/** What each opening was said to last, in milliseconds. */
let resets: number[]
let breaker: Breaker

beforeEach(() => make())
afterEach(() => breaker.close())

function make(others: Partial<OpossumBreakerOptions> = {}, random = unlucky): void {
  clock = new ManualClock()
  states = []
  resets = []
  const makeBreaker = opossumBreaker({ ...options, ...others }, { clock, random })
  breaker = makeBreaker((state, resetMs) => {
    states.push(state)
    if (resetMs !== undefined) resets.push(resetMs)
  }, clock.now())
}

async function requests(count: number, outcome: Outcome): Promise<void> {
  for (let n = 0; n < count; n++) breaker.record(breaker.acquire(false), outcome, clock.now())
  // opossum hears of failures through promises.
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
}

async function open(): Promise<void> {
  await requests(20, 'local_failure')
  expect(breaker.state).toBe('open')
}

describe('closed', () => {
  test('one failure, or nineteen, do not open it', async () => {
    await requests(19, 'local_failure')
    expect(breaker).toMatchObject({ state: 'closed', available: true })
  })

  test('opens above the threshold of failures', async () => {
    await requests(15, 'success')
    await requests(15, 'local_failure')
    expect(breaker.state).toBe('closed')
    await requests(1, 'local_failure')
    expect(breaker).toMatchObject({ state: 'open', available: false })
    expect(breaker.acquire(false)).toBe(0)
    expect(states).toEqual(['open'])
  })

  test('callers that went away count for nothing', async () => {
    await requests(100, 'ignored')
    await requests(19, 'local_failure')
    expect(breaker.state).toBe('closed')
    await requests(1, 'local_failure')
    expect(breaker.state).toBe('open')
  })

  test('what is older than the window counts no more', async () => {
    await requests(19, 'local_failure')
    await clock.advance(10_000)
    await requests(19, 'local_failure')
    expect(breaker.state).toBe('closed')
  })

  test('successes from before the first failure count as long as they are in the window, and no longer', async () => {
    await requests(15, 'success')
    await clock.advance(4500)
    await requests(15, 'success')
    await clock.advance(4500)
    await requests(20, 'local_failure')
    expect(breaker.state).toBe('closed')
    // The first fifteen are out of it.
    await clock.advance(1000)
    await requests(1, 'local_failure')
    expect(breaker.state).toBe('open')
  })

  test('successes between failures count once', async () => {
    await requests(10, 'local_failure')
    await requests(10, 'success')
    await requests(1, 'local_failure')
    expect(breaker.state).toBe('open')
  })

  test('the window slides in tenths', async () => {
    await requests(10, 'local_failure')
    await clock.advance(9000)
    await requests(10, 'local_failure')
    expect(breaker.state).toBe('open')
  })
})

describe('in panic', () => {
  beforeEach(async () => {
    await open()
    await clock.advance(500)
  })

  const inPanic = (outcome: Outcome): void => breaker.record(breaker.acquire(true), outcome, clock.now())

  test('a request that is sent all the same closes it by its success, and by nothing else', () => {
    expect(breaker.acquire(false)).toBe(0)
    for (const outcome of ['local_failure', 'remote_failure', 'overloaded', 'ignored'] as const)
      inPanic(outcome)
    expect(states).toEqual(['open'])
    inPanic('success')
    expect(breaker).toMatchObject({ state: 'closed', available: true })
    expect(states).toEqual(['open', 'closed'])
  })

  test('it does not become half open by the timer from before', async () => {
    inPanic('success')
    await clock.advance(60_000)
    expect(states).toEqual(['open', 'closed'])
  })

  test('not within a tenth of `resetMs` after it has opened', async () => {
    await requests(20, 'local_failure')
    inPanic('success')
    await requests(20, 'local_failure')
    expect(breaker.state).toBe('open')
    await clock.advance(499)
    inPanic('success')
    expect(breaker.state).toBe('open')
    await clock.advance(1)
    inPanic('success')
    expect(breaker.state).toBe('closed')
  })

  test('a success from before it was probed says nothing', async () => {
    const early = breaker.acquire(true)
    await clock.advance(5000)
    await requests(1, 'local_failure')
    await clock.advance(500)
    breaker.record(early, 'success', clock.now())
    expect(breaker.state).toBe('open')
  })

  test('one beside the probe closes it, and the probe that fails then decides nothing', async () => {
    await clock.advance(5000)
    const probe = breaker.acquire(true)
    inPanic('success')
    expect(breaker.state).toBe('closed')
    breaker.record(probe, 'local_failure', clock.now())
    expect(breaker.state).toBe('closed')
  })
})

describe('when the panic is over', () => {
  test('one that is open is half open at once, in a turn of its own', async () => {
    await open()
    breaker.hasten()
    expect(states).toEqual(['open'])
    await clock.advance(0)
    expect(states).toEqual(['open', 'half_open'])
    await clock.advance(60_000)
    expect(states).toEqual(['open', 'half_open'])
  })

  test('one that is half open or closed stays that', async () => {
    breaker.hasten()
    await clock.advance(60_000)
    expect(states).toEqual([])
    await open()
    await clock.advance(5000)
    const probe = breaker.acquire(false)
    breaker.hasten()
    await clock.advance(60_000)
    breaker.record(probe, 'success', clock.now())
    expect(states).toEqual(['open', 'half_open', 'closed'])
  })

  test('one that is closed for good sets no timer', async () => {
    await open()
    breaker.close()
    breaker.hasten()
    expect(clock.pending).toBe(0)
  })
})

describe('half open', () => {
  beforeEach(async () => {
    await open()
    await clock.advance(4999)
    expect(breaker.state).toBe('open')
    await clock.advance(1)
    expect(breaker).toMatchObject({ state: 'half_open', available: true })
  })

  test('admits exactly one probe, whose success closes it', () => {
    const probe = breaker.acquire(false)
    expect(probe).not.toBe(0)
    expect(breaker.available).toBe(false)
    expect(breaker.acquire(false)).toBe(0)
    breaker.record(probe, 'success', clock.now())
    expect(breaker).toMatchObject({ state: 'closed', available: true })
    expect(states).toEqual(['open', 'half_open', 'closed'])
  })

  test('a probe that fails opens it again', async () => {
    await requests(1, 'local_failure')
    expect(breaker.state).toBe('open')
    expect(breaker.acquire(false)).toBe(0)
    await clock.advance(10_000)
    expect(breaker.state).toBe('half_open')
  })

  test.each(['ignored', 'overloaded'] as const)(
    'a probe that ends %s neither closes nor opens it, and one other may go',
    async (outcome) => {
      await requests(1, outcome)
      expect(breaker).toMatchObject({ state: 'half_open', available: true })
      expect(breaker.acquire(false)).not.toBe(0)
      expect(breaker.acquire(false)).toBe(0)
      expect(states).toEqual(['open', 'half_open'])
    },
  )

  test('a circuit that has recovered has forgotten why it opened', async () => {
    await requests(1, 'success')
    await requests(19, 'local_failure')
    expect(breaker.state).toBe('closed')
    await requests(1, 'local_failure')
    expect(breaker.state).toBe('open')
  })
})

describe('how long it stays open', () => {
  /** From closed to open, and so many probes that fail. */
  async function openings(count: number): Promise<void> {
    await open()
    for (let n = 1; n < count; n++) {
      await clock.advance(resets.at(-1) ?? 0)
      await requests(1, 'local_failure')
    }
  }

  test('doubles with each probe that fails, up to its limit', async () => {
    await openings(6)
    expect(resets).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000])
  })

  test('begins anew after a recovery, and not after an aborted probe', async () => {
    await openings(3)
    await clock.advance(20_000)
    await requests(1, 'ignored')
    await requests(1, 'local_failure')
    await clock.advance(40_000)
    await requests(1, 'success')
    expect(breaker.state).toBe('closed')
    await open()
    expect(resets).toEqual([5000, 10_000, 20_000, 40_000, 5000])
  })

  test('is spread by chance, over the half below', async () => {
    const lengths: number[] = []
    for (let seed = 1; seed <= 200; seed++) {
      make({}, seededRandom(seed))
      await requests(20, 'local_failure')
      lengths.push(...resets)
    }
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(2500)
    expect(Math.min(...lengths)).toBeLessThan(2600)
    expect(Math.max(...lengths)).toBeLessThan(5000)
    expect(Math.max(...lengths)).toBeGreaterThan(4900)
  })

  test('is never shorter than resetMs allows, where that is above the limit', async () => {
    make({ resetMs: 90_000 })
    await openings(2)
    expect(resets).toEqual([90_000, 90_000])
  })
})

describe('failures in a row', () => {
  beforeEach(() => make({ consecutiveFailures: 5 }))

  test('open it at once, whatever the window holds', async () => {
    await requests(1000, 'success')
    await requests(4, 'local_failure')
    expect(breaker.state).toBe('closed')
    breaker.record(breaker.acquire(false), 'remote_failure', clock.now())
    expect(breaker.state).toBe('open')
  })

  test('need no traffic to speak of: hours may lie between them', async () => {
    for (let n = 0; n < 5; n++) {
      await clock.advance(3_600_000)
      await requests(1, 'local_failure')
    }
    expect(breaker.state).toBe('open')
  })

  test.each([
    ['success', 'closed'],
    ['ignored', 'open'],
    ['overloaded', 'closed'],
  ] as const)('with %s among them: %s', async (outcome, state) => {
    await requests(4, 'local_failure')
    await requests(1, outcome)
    await requests(1, 'local_failure')
    expect(breaker.state).toBe(state)
  })

  test('count from the recovery on', async () => {
    await requests(5, 'local_failure')
    await clock.advance(5000)
    await requests(1, 'success')
    await requests(4, 'local_failure')
    expect(breaker.state).toBe('closed')
    await requests(1, 'local_failure')
    expect(states).toEqual(['open', 'half_open', 'closed', 'open'])
  })

  test('open it once, where the rate would have opened it as well', async () => {
    make({ consecutiveFailures: 21, volumeThreshold: 20 })
    const permits = Array.from({ length: 21 }, () => breaker.acquire(false))
    for (const permit of permits) breaker.record(permit, 'local_failure', clock.now())
    await requests(0, 'ignored')
    expect(states).toEqual(['open'])
  })
})

test('results from before the circuit opened do not pass for the probe', async () => {
  const old = [breaker.acquire(false), breaker.acquire(false), breaker.acquire(false)]
  await open()
  await clock.advance(5000)
  const probe = breaker.acquire(false)
  breaker.record(old[0] ?? 0, 'success', clock.now())
  breaker.record(old[1] ?? 0, 'local_failure', clock.now())
  breaker.record(old[2] ?? 0, 'ignored', clock.now())
  await requests(0, 'ignored')
  expect(breaker).toMatchObject({ state: 'half_open', available: false })
  breaker.record(probe, 'success', clock.now())
  expect(breaker.state).toBe('closed')
})

test('starts no timer while closed, and leaves none when closed for good, neither its own nor one of opossum', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval'] })
  try {
    await requests(100, 'success')
    expect(clock.pending).toBe(0)
    await requests(200, 'local_failure')
    expect(breaker.state).toBe('open')
    expect([clock.pending, vi.getTimerCount()]).toEqual([1, 0])
    breaker.close()
    expect(clock.pending).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})
