import { expect, test } from 'vitest'
import { nextTurn } from '../../clock.js'
import { Turnstile } from './turnstile.js'

test('a crowd goes through eight a turn, in its order', async () => {
  const turnstile = new Turnstile()
  const through: number[] = []
  for (let one = 0; one < 20; one++) void turnstile.pass().then(() => through.push(one))
  const seen: number[] = []
  while (through.length < 20) {
    await nextTurn()
    seen.push(through.length)
  }
  const steps = seen.map((count, turn) => count - (seen[turn - 1] ?? 0))
  expect(Math.max(...steps)).toBe(8)
  expect(through).toEqual(Array.from({ length: 20 }, (_, one) => one))
})

test('who comes alone waits for one turn at most, also after a crowd', async () => {
  const turnstile = new Turnstile()
  await Promise.all(Array.from({ length: 100 }, () => turnstile.pass()))
  for (let time = 0; time < 20; time++) {
    let through = false
    void turnstile.pass().then(() => (through = true))
    // The turn that has begun, and one.
    await nextTurn()
    await nextTurn()
    expect(through).toBe(true)
  }
})
