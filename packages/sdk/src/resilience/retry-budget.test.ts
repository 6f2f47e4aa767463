import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RetryBudget } from './retry-budget.js'

test('allows a fifth of the requests, and the reserve', () => {
  const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 1, ttlMs: 10_000 }, 0)
  for (let n = 0; n < 100; n++) budget.deposit(0)
  expect(budget.balance(0)).toBe(30)
  for (let n = 0; n < 30; n++) expect(budget.withdraw(0)).toBe(true)
  expect(budget.withdraw(0)).toBe(false)
})

test('forgets requests and retries after their time', () => {
  const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 1, ttlMs: 10_000 }, 0)
  for (let n = 0; n < 50; n++) budget.deposit(0)
  expect(budget.withdraw(9_999)).toBe(true)
  expect(budget.balance(9_999)).toBe(19)
  expect(budget.balance(10_000)).toBe(9)
  expect(budget.balance(19_000)).toBe(10)
  expect(budget.balance(1_000_000)).toBe(10)
})

test('never allows more retries in a window than its requests earn', () => {
  const steps = fc.array(fc.record({ wait: fc.nat({ max: 3000 }), retry: fc.boolean() }), { maxLength: 400 })
  fc.assert(
    fc.property(steps, fc.double({ min: 0, max: 1, noNaN: true }), (script, ratio) => {
      const budget = new RetryBudget({ ratio, minPerSecond: 0.5, ttlMs: 10_000 }, 0)
      const requests: number[] = []
      const retries: number[] = []
      let now = 0
      for (const { wait, retry } of script) {
        now += wait
        budget.deposit(now)
        requests.push(now)
        if (!retry || !budget.withdraw(now)) continue
        retries.push(now)
        // What happened within one tenth of the window expires together, so the last nine tenths are certain.
        const within = (times: readonly number[], span: number): number =>
          times.filter((at) => at > now - span).length
        expect(within(retries, 9000)).toBeLessThanOrEqual(within(requests, 10_000) * ratio + 5 + 1e-6)
      }
    }),
  )
})

test('in panic no second has more retries than half of its share, whatever was saved', () => {
  const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 }, 0)
  const retries: number[] = []
  for (let now = 0; now < 20_000; now++) {
    budget.deposit(now)
    if (now > 10_000 && budget.withdraw(now, true)) retries.push(now)
  }
  const within = retries.map((from) => retries.filter((at) => at >= from && at < from + 1000).length)
  // The second may begin within a tenth of one.
  expect(Math.max(...within)).toBeLessThanOrEqual(1.1 * (0.1 * 1000 + 5))
  expect(retries.length).toBeGreaterThan(0.95 * 10 * (0.1 * 1000 + 5))
})

test('what was retried before a panic counts in it', () => {
  const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 2, ttlMs: 10_000 }, 0)
  for (let n = 0; n < 20; n++) budget.deposit(0)
  for (let n = 0; n < 3; n++) expect(budget.withdraw(50)).toBe(true)
  expect(budget.withdraw(60, true)).toBe(false)
  expect(budget.withdraw(1100, true)).toBe(true)
})

test('counts exactly, however many fifths it adds up', () => {
  const budget = new RetryBudget({ ratio: 0.1, minPerSecond: 0, ttlMs: 10_000 }, 0)
  for (let n = 0; n < 10; n++) budget.deposit(0)
  expect(budget.withdraw(0)).toBe(true)
})
