import { expect, test } from 'vitest'
import { nextTurn } from '../../clock.js'
import { StartLimiter } from './start-limiter.js'

test('a crowd starts eight a turn, in its order', async () => {
  const starts = new StartLimiter()
  const started: number[] = []
  for (let one = 0; one < 20; one++) void starts.admit().then(() => started.push(one))
  const seen: number[] = []
  while (started.length < 20) {
    await nextTurn()
    seen.push(started.length)
  }
  const steps = seen.map((count, turn) => count - (seen[turn - 1] ?? 0))
  expect(Math.max(...steps)).toBe(8)
  expect(started).toEqual(Array.from({ length: 20 }, (_, one) => one))
})

test('one that starts alone waits for one turn at most, also after a crowd', async () => {
  const starts = new StartLimiter()
  await Promise.all(Array.from({ length: 100 }, () => starts.admit()))
  for (let time = 0; time < 20; time++) {
    let started = false
    void starts.admit().then(() => (started = true))
    // The turn that has begun, and one.
    await nextTurn()
    await nextTurn()
    expect(started).toBe(true)
  }
})
