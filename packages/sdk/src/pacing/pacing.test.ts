import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { sleep } from '../clock.js'
import { ManualClock, seededRandom } from '../testing/index.js'
import { AutoResetEvent } from './auto-reset-event.js'
import { backoffDelay } from './backoff.js'
import { atMost, hasEnded, orAborted } from './or-aborted.js'
import { TimeLimit } from './time-limit.js'
import { TokenBucket } from './token-bucket.js'

const never = new AbortController().signal

test('backoff doubles up to its ceiling, between half and all of it', () => {
  const random = seededRandom(1)
  const options = { baseMs: 100, maxMs: 1000 }
  for (const [failures, ceiling] of [
    [1, 100],
    [2, 200],
    [3, 400],
    [4, 800],
    [5, 1000],
    [5000, 1000],
  ] as const) {
    const delays = Array.from({ length: 200 }, () => backoffDelay(failures, options, random))
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(ceiling / 2)
    expect(Math.max(...delays)).toBeLessThanOrEqual(ceiling)
    // Spread out, or a fleet would ask in step.
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(ceiling / 3)
  }
})

test('a token bucket lets a burst through, then its rate', async () => {
  const clock = new ManualClock()
  const bucket = new TokenBucket({ capacity: 3, perSecond: 2 }, clock)
  const taken: number[] = []
  const run = (async () => {
    for (let n = 0; n < 6; n++) {
      await bucket.take(never)
      taken.push(clock.now())
    }
  })()
  await clock.advance(5000)
  await run
  expect(taken).toEqual([0, 0, 0, 500, 1000, 1500])
  await clock.advance(60_000)
  await bucket.take(never)
  expect(clock.now()).toBe(65_000)
})

test('sleep ends early when the signal aborts, and leaves no timer', async () => {
  const clock = new ManualClock()
  const stop = new AbortController()
  const slept = sleep(clock, 1000, stop.signal)
  expect(clock.pending).toBe(1)
  stop.abort()
  await slept
  expect(clock.pending).toBe(0)
  await sleep(clock, 1000, stop.signal)
})

describe('an auto-reset event', () => {
  test('wakes the one who waits, and remembers one that came before', async () => {
    const event = new AutoResetEvent()
    event.set()
    event.set()
    await event.wait()
    let woken = false
    const waiting = event.wait().then(() => (woken = true))
    await Promise.resolve()
    expect(woken).toBe(false)
    event.set()
    await waiting
  })

  test('that is reset has been forgotten', async () => {
    const [event, clock] = [new AutoResetEvent(), new ManualClock()]
    event.set()
    event.reset()
    let woken = false
    const waiting = event.waitAtMost(100, clock).then(() => (woken = true))
    await clock.advance(99)
    expect(woken).toBe(false)
    await clock.advance(1)
    await waiting
  })

  test('is waited for as long as it may be, and leaves no timer', async () => {
    const [event, clock] = [new AutoResetEvent(), new ManualClock()]
    await event.waitAtMost(0, clock)
    const early = event.waitAtMost(100, clock)
    event.set()
    await early
    event.set()
    await event.waitAtMost(100, clock)
    expect(clock.pending).toBe(0)
    const late = event.waitAtMost(100, clock)
    await clock.advance(100)
    await late
    expect(clock.pending).toBe(0)
  })
})

describe('what is waited for until a signal aborts', () => {
  const work = (): { promise: Promise<string>; resolve: (value: string) => void } => {
    let resolve: (value: string) => void = () => undefined
    const promise = new Promise<string>((done) => (resolve = done))
    return { promise, resolve }
  }

  test('is what the promise gives, and whether it has ended', async () => {
    const { signal } = new AbortController()
    expect(await orAborted(Promise.resolve('a'), signal)).toBe('a')
    await expect(orAborted(Promise.reject(new Error('b')), signal)).rejects.toThrow('b')
    expect(await hasEnded(Promise.resolve(), signal)).toBe(true)
    await expect(hasEnded(Promise.reject(new Error('b')), signal)).rejects.toThrow('b')
  })

  test('is undefined once it aborts, and how the promise ends then is ignored', async () => {
    const stop = new AbortController()
    const { promise, resolve } = work()
    const waiting = [orAborted(promise, stop.signal), hasEnded(promise, stop.signal)]
    stop.abort()
    expect(await Promise.all(waiting)).toEqual([undefined, false])
    resolve('late')
    expect(await hasEnded(Promise.reject(new Error('ignored')), stop.signal)).toBe(false)
  })

  test('has its time by our clock, and leaves no timer', async () => {
    const clock = new ManualClock()
    await atMost(100, Promise.resolve(), clock)
    await expect(atMost(100, Promise.reject(new Error('b')), clock)).rejects.toThrow('b')
    expect(clock.pending).toBe(0)
    const late = atMost(100, new Promise(() => undefined), clock)
    await clock.advance(100)
    await late
    expect(clock.pending).toBe(0)
  })
})

describe('a time limit', () => {
  test('aborts when its time is over, unless it is cleared', async () => {
    const clock = new ManualClock()
    const [runs, cleared] = [new TimeLimit(100, clock), new TimeLimit(100, clock)]
    cleared.clear()
    await clock.advance(99)
    expect(runs.signal.aborted).toBe(false)
    await clock.advance(1)
    expect([runs.signal.aborted, cleared.signal.aborted]).toEqual([true, false])
  })

  test('aborts with its parent, and leaves neither a timer nor a listener', () => {
    const [clock, parent] = [new ManualClock(), new AbortController()]
    const limit = new TimeLimit(100, clock, parent.signal)
    const cleared = new TimeLimit(100, clock, parent.signal)
    cleared.clear()
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(1)
    parent.abort()
    expect([limit.signal.aborted, cleared.signal.aborted]).toEqual([true, false])
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0)
    expect(new TimeLimit(100, clock, parent.signal).signal.aborted).toBe(true)
    expect(clock.pending).toBe(0)
  })
})
