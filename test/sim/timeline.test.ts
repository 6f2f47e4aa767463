import { expect, test } from 'vitest'
import { seededRandom } from '@fairlead/sdk/testing'
import { exponentialWork, logNormalWork } from './draws.js'
import { Timeline } from './timeline.js'

test('what is scheduled happens in order, of equals the first scheduled first', async () => {
  const timeline = new Timeline()
  const seen: string[] = []
  const note = (name: string) => () => seen.push(`${name} at ${timeline.now()}`)
  timeline.after(5, note('b'))
  timeline.after(5, note('c'))
  timeline.after(1, () => timeline.after(4, note('d')))
  timeline.clearTimer(timeline.setTimer(note('never'), 2))
  timeline.setTimer(note('a'), 2)
  timeline.after(6, note('later'))
  await timeline.runUntil(5500)
  expect(seen).toEqual(['a at 2', 'b at 5', 'c at 5', 'd at 5'])
  expect(timeline.now()).toBe(5.5)
})

test('a timer is never early, and never at once', async () => {
  const timeline = new Timeline()
  let firedAt = -1
  await timeline.runUntil(333)
  timeline.setTimer(() => (firedAt = timeline.now()), 0.0001)
  await timeline.runUntil(1000)
  expect(firedAt).toBe(0.334)
})

test('what waits for a turn of the event loop has it before time goes on', async () => {
  const timeline = new Timeline()
  const seen: string[] = []
  const note = (name: string) => () => seen.push(`${name} at ${timeline.now()}`)
  timeline.after(1, () => {
    queueMicrotask(note('microtask'))
    setImmediate(() => setImmediate(note('second turn')))
    setTimeout(note('timer'), 5)
    clearTimeout(setTimeout(note('never'), 5))
  })
  for (const ms of [2, 3]) timeline.after(ms, note('later'))
  await timeline.runUntil(10_000)
  expect(seen).toEqual(['microtask at 1', 'second turn at 1', 'later at 2', 'later at 3', 'timer at 6'])
})

test('the timers are the real ones again after a run, also after one that has failed', async () => {
  const { setTimeout, clearTimeout, setImmediate, queueMicrotask } = globalThis
  const timeline = new Timeline()
  timeline.after(1, () => {
    throw new Error('failed')
  })
  await expect(timeline.runUntil(2000)).rejects.toThrow('failed')
  expect(globalThis).toMatchObject({ setTimeout, clearTimeout, setImmediate, queueMicrotask })
})

test.each([
  ['exponential', exponentialWork(20_000)],
  ['log-normal', logNormalWork(20_000, 1)],
])('%s work has the mean and the deviation that it says', (_name, work) => {
  const random = seededRandom(3)
  const draws = Array.from({ length: 200_000 }, () => work(random))
  const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
  const variance = draws.reduce((sum, draw) => sum + (draw - mean) ** 2, 0) / draws.length
  expect(mean / 20_000).toBeCloseTo(1, 1)
  expect(Math.sqrt(variance) / 20_000).toBeCloseTo(1, 1)
})
