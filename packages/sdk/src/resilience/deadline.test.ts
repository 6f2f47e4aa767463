import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Clock } from '../clock.js'
import { ManualClock } from '../testing/index.js'
import { Deadlines, type Deadlined, type TimeLimit } from './deadline.js'
import { DeadlineHeap } from './deadline-heap.js'
import { OwnLimit } from './own-limit.js'

class Item implements Deadlined {
  deadline = 0
  before: Deadlined | undefined
  after: Deadlined | undefined
  expiredAt: number | undefined
  readonly #clock: ManualClock

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  expire(): void {
    this.expiredAt = this.#clock.now()
    this.afterwards()
  }

  afterwards: () => void = () => undefined
}

test('each expires at its time, unless it was removed, with one timer for all and none when empty', async () => {
  const steps = fc.array(fc.record({ wait: fc.nat({ max: 60 }), remove: fc.option(fc.nat()) }), {
    maxLength: 40,
  })
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const clock = new ManualClock()
      const deadlines = new Deadlines(100, clock)
      const items: { item: Item; addedAt: number; removed: boolean }[] = []
      for (const { wait, remove } of script) {
        await clock.advance(wait)
        const added = { item: new Item(clock), addedAt: clock.now(), removed: false }
        deadlines.add(added.item, clock.now())
        items.push(added)
        const victim = remove === null ? undefined : items[remove % items.length]
        if (victim !== undefined) {
          victim.removed ||= victim.item.expiredAt === undefined
          deadlines.remove(victim.item)
        }
        expect(clock.pending).toBeLessThanOrEqual(1)
      }
      await clock.advance(200)
      for (const { item, addedAt, removed } of items) {
        expect(item.expiredAt).toBe(removed ? undefined : addedAt + 100)
      }
      expect(clock.pending).toBe(0)
    }),
    { numRuns: 30 },
  )
})

test('an infinite time takes no timer', () => {
  const clock = new ManualClock()
  const item = new Item(clock)
  const deadlines = new Deadlines(Infinity, clock)
  deadlines.add(item, 0)
  deadlines.remove(item)
  expect(clock.pending).toBe(0)
})

test('is told how late it is, and what comes due meanwhile is for the next timer', () => {
  const late: number[] = []
  let now = 0
  const timers: (() => void)[] = []
  // Time that passes without a timer having its turn: our event loop is held up.
  const clock: Clock = {
    now: () => now,
    unixTime: () => now,
    setTimer: (callback) => {
      timers.push(callback)
      return callback
    },
    clearTimer: () => undefined,
  }
  const deadlines = new Deadlines(100, clock)
  const add = (): void => {
    const expire = (lateMs: number): void => {
      late.push(lateMs)
      // The caller's handler takes its time.
      now += 50
    }
    deadlines.add({ deadline: 0, before: undefined, after: undefined, expire }, now)
  }
  add()
  now = 40
  add()
  now = 120
  timers.shift()?.()
  expect(late).toEqual([20])
  timers.shift()?.()
  expect(late).toEqual([20, 30])
})

describe('where what a poll brought has held up the loop, what came in meanwhile is read first', () => {
  /** The first is due at 100 ms, the second at 150: a poll behind the timer of the first takes until 2,000. */
  async function expired(
    limits: (clock: ManualClock) => readonly [TimeLimit, TimeLimit],
  ): Promise<number | undefined> {
    const clock = new ManualClock()
    const [first, second] = [new Item(clock), new Item(clock)]
    const [firstLimit, secondLimit] = limits(clock)
    firstLimit.add(first, 0)
    await clock.advance(50)
    secondLimit.add(second, 50)
    clock.holdUp(1950)
    // The next poll has its answer.
    first.afterwards = () => queueMicrotask(() => secondLimit.remove(second))
    await clock.advance(10)
    expect(clock.pending).toBe(0)
    expect(first.expiredAt).toBe(2000)
    return second.expiredAt
  }

  test('of those that have the same time', async () => {
    const both = (clock: ManualClock): [TimeLimit, TimeLimit] => {
      const deadlines = new Deadlines(100, clock)
      return [deadlines, deadlines]
    }
    expect(await expired(both)).toBeUndefined()
  })

  test('of those with times of their own', async () => {
    const own = (clock: ManualClock): [TimeLimit, TimeLimit] => {
      const heap = new DeadlineHeap(clock)
      const limit = (): TimeLimit => new OwnLimit(100, undefined, heap, clock, clock.now())
      return [limit(), limit()]
    }
    expect(await expired(own)).toBeUndefined()
  })
})
