import fc from 'fast-check'
import { expect, test } from 'vitest'
import { peakEwma } from '../balance/policies/load.js'
import { registeredWeight } from '../balance/picker.js'
import { powerOfTwoChoices } from '../balance/policies/power-of-two-choices.js'
import type { Clock, Timer } from '../clock.js'
import type { Random } from '../random.js'
import { FakeCandidate, ManualClock, seededRandom } from '../testing/index.js'
import { PeakEwma } from '../endpoint/peak-ewma.js'
import { HeardAttempts, HeldTransport } from '../endpoint/attempt.test.support.js'
import { Classifier } from '../endpoint/classify.js'
import { HttpAttempt, type AttemptedEndpoint } from '../endpoint/http-attempt.js'
import { LoopWatch } from './loop-watch.js'

test('has a timer while responses are awaited, one for all, and none otherwise', async () => {
  const clock = new ManualClock()
  const watch = new LoopWatch(clock)
  expect(clock.pending).toBe(0)
  for (let n = 0; n < 100; n++) watch.begin(0)
  for (let n = 0; n < 99; n++) watch.end()
  await clock.advance(1000)
  expect([clock.pending, clock.nextDelayMs]).toEqual([1, 20])
  watch.end()
  // Requests in turn, each answered before the next, find the timer of the first.
  for (let n = 0; n < 100; n++) {
    watch.begin(1000)
    watch.end()
  }
  expect(clock.pending).toBe(1)
  await clock.advance(20)
  expect(clock.pending).toBe(0)
})

test('what is read in time came just now, and what is read late since the last poll', async () => {
  const clock = new ManualClock()
  const watch = new LoopWatch(clock)
  await clock.advance(12_345)
  watch.begin(clock.now())
  for (let n = 0; n < 50; n++) {
    await clock.advance(7)
    expect(watch.earliest(clock.now())).toBe(clock.now())
  }
  // Its grid: 12,345 and every 20 ms; 350 have passed.
  clock.holdUp(500)
  expect(watch.earliest(clock.now())).toBe(12_345 + 340)
  // The timer that was due then tells of the poll behind it, and the next one, at once, of the time until now.
  await clock.advance(0)
  expect(watch.earliest(clock.now())).toBe(clock.now())
})

test('remembers for how long the loop stood still, by when it did', async () => {
  const clock = new ManualClock()
  const watch = new LoopWatch(clock)
  watch.begin(0)
  expect(watch.heldUpMs(0, 1000)).toBe(0)
  await clock.advance(10)
  // The timer was due at 20.
  clock.holdUp(510)
  await clock.advance(0)
  await clock.advance(1000)
  clock.holdUp(320)
  await clock.advance(0)
  expect(watch.heldUpMs(0, 2000)).toBe(500 + 300)
  expect(watch.heldUpMs(100, 400)).toBe(300)
  expect(watch.heldUpMs(500, 1000)).toBe(20)
  expect(watch.heldUpMs(600, 1000)).toBe(0)
  // Of many the latest.
  for (let n = 0; n < 100; n++) {
    clock.holdUp(120)
    await clock.advance(0)
  }
  expect(watch.heldUpMs(0, clock.now())).toBeLessThanOrEqual(16 * 120)
  expect(watch.heldUpMs(clock.now() - 100, clock.now())).toBe(100)
})

test('begun anew, it knows nothing of the time before, when nothing was awaited', async () => {
  const clock = new ManualClock()
  const watch = new LoopWatch(clock)
  watch.begin(0)
  watch.end()
  await clock.advance(5000)
  watch.begin(clock.now())
  clock.holdUp(300)
  expect(watch.earliest(clock.now())).toBe(5000)
})

const EQUAL = 5
const FAST_MS = 5
const SLOW_MS = 150
const DURATION_MS = 20_000

test('hold-ups of any length make no endpoint worse than its equals, and hide none that is slow', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 30, max: 2000 }),
      fc.integer({ min: 40, max: 400 }),
      (seed, longestMs, everyMs) => {
        const program = new Program(seed, longestMs, everyMs)
        program.run()
        const { now, targets, misjudged } = program
        expect(misjudged).toEqual([])
        const [slow, ...equal] = targets
        const share = equal.reduce((sum, { requests }) => sum + requests, 0) / EQUAL
        for (const { requests, latencyNowMs } of equal) {
          expect(requests).toBeGreaterThan(0.4 * share)
          expect(requests).toBeLessThan(1.6 * share)
          // And what a hold-up may have to itself without being one.
          expect(latencyNowMs(now)).toBeLessThan(FAST_MS * 1.2 + 25)
        }
        expect(slow?.requests).toBeLessThan(share / 2)
      },
    ),
    { numRuns: 20, seed: 35 },
  )
})

/** An endpoint with a true latency. */
class Target extends FakeCandidate implements AttemptedEndpoint {
  readonly address: string = 'there'
  readonly classifier: Classifier = new Classifier()
  readonly trueMs: number
  readonly loop: LoopWatch
  readonly #ewma = new PeakEwma(30, 0)
  requests = 0

  constructor(name: number, trueMs: number, loop: LoopWatch) {
    super(name)
    this.trueMs = trueMs
    this.loop = loop
  }

  readonly latencyNowMs = (now: number): number => this.#ewma.estimateUs(now) / 1000

  override latencyUs(now = 0): number {
    return !this.#ewma.settled && this.inflight === 0 ? 0 : this.#ewma.estimateUs(now)
  }

  observerFailed(error: Error): void {
    throw error
  }

  override begin(): void {
    this.requests++
    super.begin()
  }

  observe(sampleMs: number, now: number): void {
    this.#ewma.observe(sampleMs, now)
  }

  observeBetween(leastMs: number, mostMs: number, now: number): void {
    this.#ewma.observeBetween(leastMs, mostMs, now)
  }

  penalize(): void {
    throw new Error('nothing fails here')
  }

  unreachable(): void {}
  record(): void {}
}

interface Due {
  readonly at: number
  readonly callback: () => void
}

/** An event loop as Node's: timers first, then a poll, and behind that what the timers of the clock call. */
class EventLoop implements Clock {
  /** May be moved on by whatever runs: it is held up. */
  time = 0
  readonly #timers = new Set<Due>()
  readonly #input = new Set<Due>()

  now(): number {
    return this.time
  }

  unixTime(): number {
    return this.time
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    // A timer of Node's has a millisecond at least.
    return this.#add(this.#timers, callback, Math.max(1, delayMs))
  }

  clearTimer(timer: Timer): void {
    this.#timers.delete(timer as Due)
  }

  /** Comes in from outside, however busy we are. */
  arrive(callback: () => void, delayMs: number): void {
    this.#add(this.#input, callback, delayMs)
  }

  turn(): void {
    const next = Math.min(...[...this.#timers, ...this.#input].map(({ at }) => at))
    this.time = Math.max(this.time, next)
    const due = this.#take(this.#timers)
    const read = this.#take(this.#input)
    for (const { callback } of read) callback()
    for (const { callback } of due) callback()
  }

  #add(to: Set<Due>, callback: () => void, delayMs: number): Due {
    const added = { at: this.time + delayMs, callback }
    to.add(added)
    return added
  }

  #take(from: Set<Due>): readonly Due[] {
    const due = [...from].filter(({ at }) => at <= this.time).sort((one, other) => one.at - other.at)
    for (const one of due) from.delete(one)
    return due
  }
}

/** Sends requests as they come in, answers what is read, and now and then works for long in the middle of that. */
class Program {
  readonly #loop = new EventLoop()
  readonly #random: Random
  readonly #longestMs: number
  readonly #everyMs: number
  readonly targets: readonly Target[]
  /** When something came in that the watch took for later, and when that was read. */
  readonly misjudged: (readonly [number, number])[] = []
  readonly #watch: LoopWatch
  #heldUpAt = 1000

  constructor(seed: number, longestMs: number, everyMs: number) {
    this.#random = seededRandom(seed)
    this.#longestMs = longestMs
    this.#everyMs = everyMs
    this.#watch = new LoopWatch(this.#loop)
    this.targets = [SLOW_MS, ...Array<number>(EQUAL).fill(FAST_MS)].map(
      (trueMs, index) => new Target(1 + index, trueMs, this.#watch),
    )
  }

  get now(): number {
    return this.#loop.time
  }

  run(): void {
    const picker = powerOfTwoChoices(peakEwma)(this.targets, this.#random, registeredWeight)
    const send = (): void => {
      this.#loop.arrive(send, 1 + 8 * this.#random.next())
      const now = Math.floor(this.#loop.time)
      const target = picker.pick({ now, tried: [] })
      if (target !== undefined) this.#send(target)
    }
    send()
    while (this.#loop.time < DURATION_MS) this.#loop.turn()
  }

  #send(target: Target): void {
    const ignore = (): boolean => true
    this.#mayBeHeldUp()
    const options = { method: 'GET', path: '/' } as const
    const attempt = new HttpAttempt(
      target,
      new HeldTransport(),
      1,
      options,
      new HeardAttempts(),
      undefined,
      this.#loop,
      this.#loop.time,
    )
    attempt.onConnect(ignore)
    const afterMs = target.trueMs * (0.8 + 0.4 * this.#random.next())
    const arrivesAt = this.#loop.time + afterMs
    this.#loop.arrive(() => {
      this.#mayBeHeldUp()
      this.#check(arrivesAt)
      attempt.onHeaders(200, [], ignore, '')
      attempt.onComplete([])
      this.#mayBeHeldUp()
    }, afterMs)
    this.#mayBeHeldUp()
  }

  #check(arrivedAt: number): void {
    const now = this.#loop.time
    const earliest = this.#watch.earliest(now)
    const sound = earliest < now ? earliest <= arrivedAt : now - arrivedAt <= 25
    if (!sound) this.misjudged.push([arrivedAt, now])
  }

  #mayBeHeldUp(): void {
    if (this.#loop.time < this.#heldUpAt) return
    this.#loop.time += this.#longestMs * this.#random.next()
    // Some follow each other in one turn.
    const again = this.#random.next() < 0.3
    this.#heldUpAt = this.#loop.time + (again ? 0 : 3 * this.#everyMs * this.#random.next())
  }
}
