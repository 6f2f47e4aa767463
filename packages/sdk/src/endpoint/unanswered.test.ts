import { expect, test } from 'vitest'
import { ManualClock } from '../testing/index.js'
import { AnswerTimes, isItsFault } from './unanswered.js'

test.each([
  ['had it all the time', { since: 0, sentAt: 1, until: 200 }, 5, true],
  ['had it for less than answers take', { since: 0, sentAt: 1, until: 20 }, 30, false],
  ['had it for as long as answers take', { since: 0, sentAt: 0, until: 30 }, 30, true],
  ['had it for half of the time', { since: 0, sentAt: 100, until: 200 }, 5, true],
  ['had it for less than half of the time', { since: 0, sentAt: 101, until: 200 }, 5, false],
  ['had it while we could not read', { since: 0, sentAt: 1, until: 1 }, 0, false],
])('an endpoint that %s', (_what, call, usualMs, expected) => {
  expect(isItsFault(call, usualMs)).toBe(expected)
})

test('what is usual is the average of the first answers, and all but the tail of many', async () => {
  const clock = new ManualClock()
  const answers = new AnswerTimes(clock)
  expect(answers.usualMs(0)).toBeLessThan(0.01)
  for (const ms of [20, 40]) answers.observe(ms, 0)
  expect(answers.usualMs(0)).toBe(30)
  for (let n = 0; n < 48; n++) answers.observe(n < 46 ? 20 : 5000, 0)
  await clock.advance(1000)
  expect(answers.usualMs(1000)).toBeGreaterThanOrEqual(20)
  expect(answers.usualMs(1000)).toBeLessThan(25)
})
