import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Clock } from '../clock.js'
import { ManualClock } from '../testing/index.js'
import { DeadlineHeap, type Timed } from './deadline-heap.js'

class Item implements Timed {
  readonly at: number
  place = -1
  readonly told: [number, number][] = []
  readonly #clock: Clock

  constructor(at: number, clock: Clock) {
    this.at = at
    this.#clock = clock
  }

  expire(lateMs: number): void {
    this.told.push([this.#clock.now(), lateMs])
  }
}

test('each expires once and at its own time, unless it was removed, with one timer for all and none when empty', async () => {
  const step = fc.record({
    wait: fc.nat({ max: 60 }),
    timeout: fc.oneof(fc.nat({ max: 300 }), fc.double({ min: 0, max: 300, noNaN: true })),
    remove: fc.option(fc.nat()),
    again: fc.option(fc.nat()),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (script) => {
      const clock = new ManualClock()
      const heap = new DeadlineHeap(clock)
      const added: { item: Item; removed: boolean }[] = []
      const add = (timeout: number): void => {
        const item = new Item(clock.now() + timeout, clock)
        heap.add(item, clock.now())
        added.push({ item, removed: false })
      }
      for (const { wait, timeout, remove, again } of script) {
        await clock.advance(wait)
        add(timeout)
        const victim = remove === null ? undefined : added[remove % added.length]
        if (victim !== undefined) {
          victim.removed ||= victim.item.told.length === 0
          heap.remove(victim.item)
        }
        // An upload that makes progress.
        const moved = again === null ? undefined : added[again % added.length]
        if (moved !== undefined && !moved.removed && moved.item.told.length === 0) {
          moved.removed = true
          heap.remove(moved.item)
          add(timeout)
        }
        expect(clock.pending).toBeLessThanOrEqual(1)
        const first = Math.min(...added.filter(({ item }) => item.place >= 0).map(({ item }) => item.at))
        if (first < Infinity) expect(clock.nextDelayMs).toBeLessThanOrEqual(first - clock.now())
      }
      await clock.advance(1000)
      for (const { item, removed } of added) expect(item.told).toEqual(removed ? [] : [[item.at, 0]])
      expect(clock.pending).toBe(0)
    }),
    { numRuns: 60 },
  )
})

test('a timer that is early for what is left stays, and is set anew only for an earlier one', () => {
  const clock = new ManualClock()
  const heap = new DeadlineHeap(clock)
  const [soon, later, soonest] = [50, 100, 20].map((at) => new Item(at, clock))
  if (soon === undefined || later === undefined || soonest === undefined) throw new Error('there are three')
  heap.add(soon, 0)
  heap.add(later, 0)
  heap.remove(soon)
  expect([clock.pending, clock.nextDelayMs]).toEqual([1, 50])
  heap.add(soonest, 0)
  expect([clock.pending, clock.nextDelayMs]).toEqual([1, 20])
  heap.remove(soonest)
  heap.remove(later)
  heap.remove(later)
  expect(clock.pending).toBe(0)
})

test('one that is never over takes no timer', () => {
  const clock = new ManualClock()
  const heap = new DeadlineHeap(clock)
  const item = new Item(Infinity, clock)
  heap.add(item, 0)
  expect([clock.pending, item.place]).toEqual([0, -1])
  heap.remove(item)
})

test('is told how late it is, and what comes due meanwhile is for the next timer', async () => {
  const clock = new ManualClock()
  const heap = new DeadlineHeap(clock)
  const order: string[] = []
  const add = (name: string, at: number): void =>
    heap.add(
      {
        at,
        place: -1,
        expire: (lateMs) => {
          order.push(`${name} ${lateMs}`)
          // The caller's handler takes its time.
          clock.holdUp(50)
          queueMicrotask(() => order.push('turn'))
        },
      },
      clock.now(),
    )
  add('second', 140)
  add('first', 100)
  clock.holdUp(120)
  // As far as the first one's handler holds it up: a clock does not go back.
  await clock.advance(50)
  expect(order).toEqual(['first 20', 'turn', 'second 30', 'turn'])
})
