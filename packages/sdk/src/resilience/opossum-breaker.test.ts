import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../testing/index.js'
import type { Breaker, BreakerState } from './breaker.js'
import type { Outcome } from './outcome.js'
import { opossumBreaker } from './opossum-breaker.js'

const options = { volumeThreshold: 20, errorThresholdPercentage: 50, windowMs: 10_000, resetMs: 5000 }

let clock: ManualClock
let states: BreakerState[]
let breaker: Breaker

beforeEach(() => {
  // opossum times its own way from open to half open.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  clock = new ManualClock()
  states = []
  breaker = opossumBreaker(options)((state) => states.push(state), clock.now())
})

afterEach(() => {
  breaker.close()
  vi.useRealTimers()
})

async function requests(count: number, outcome: Outcome): Promise<void> {
  for (let n = 0; n < count; n++) breaker.record(breaker.acquire(), outcome, clock.now())
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
    expect(breaker.acquire()).toBe(0)
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

describe('half open', () => {
  beforeEach(async () => {
    await open()
    vi.advanceTimersByTime(4999)
    expect(breaker.state).toBe('open')
    vi.advanceTimersByTime(1)
    expect(breaker).toMatchObject({ state: 'half_open', available: true })
  })

  test('admits exactly one probe, whose success closes it', async () => {
    const probe = breaker.acquire()
    expect(probe).not.toBe(0)
    expect(breaker.available).toBe(false)
    expect(breaker.acquire()).toBe(0)
    breaker.record(probe, 'success', clock.now())
    for (let turn = 0; turn < 5; turn++) await Promise.resolve()
    expect(breaker).toMatchObject({ state: 'closed', available: true })
    expect(states).toEqual(['open', 'half_open', 'closed'])
  })

  test('a probe that fails opens it again', async () => {
    await requests(1, 'local_failure')
    expect(breaker.state).toBe('open')
    vi.advanceTimersByTime(5000)
    expect(breaker.state).toBe('half_open')
  })

  test('a probe whose caller went away neither closes nor opens it, and another may go', async () => {
    await requests(1, 'ignored')
    expect(breaker).toMatchObject({ state: 'half_open', available: true })
  })
})

test('results from before the circuit opened do not pass for the probe', async () => {
  const old = [breaker.acquire(), breaker.acquire(), breaker.acquire()]
  await open()
  vi.advanceTimersByTime(5000)
  const probe = breaker.acquire()
  breaker.record(old[0] ?? 0, 'success', clock.now())
  breaker.record(old[1] ?? 0, 'local_failure', clock.now())
  breaker.record(old[2] ?? 0, 'ignored', clock.now())
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  expect(breaker).toMatchObject({ state: 'half_open', available: false })
  breaker.record(probe, 'success', clock.now())
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  expect(breaker.state).toBe('closed')
})

test('starts no timer while closed, and leaves none when closed for good', async () => {
  await requests(100, 'success')
  expect(vi.getTimerCount()).toBe(0)
  await requests(200, 'local_failure')
  expect(vi.getTimerCount()).toBe(1)
  breaker.close()
  expect(vi.getTimerCount()).toBe(0)
})
