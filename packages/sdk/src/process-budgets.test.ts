import { expect, test } from 'vitest'
import { processBudget } from './process-budgets.js'
import { createClient, fixedResolver } from './index.js'
import { ManualClock } from './testing/index.js'

const share = { budgetRatio: 0.2, budgetMinPerSecond: 10 }

test('clients that find a service in the same way and allow as much have one budget', () => {
  const clock = new ManualClock()
  const resolver = fixedResolver(['http://127.0.0.1:1'])
  const budget = processBudget(resolver, 'orders', share, clock)
  expect(processBudget(resolver, 'orders', { ...share }, clock)).toBe(budget)
  expect(processBudget(resolver, 'payments', share, clock)).not.toBe(budget)
  expect(processBudget(resolver, 'orders', { ...share, budgetRatio: 0.1 }, clock)).not.toBe(budget)
  expect(processBudget(fixedResolver(['http://127.0.0.1:1']), 'orders', share, clock)).not.toBe(budget)
})

test('the requests of one client are traffic for the budget of another one', async () => {
  const resolver = fixedResolver(['http://127.0.0.1:1'])
  const options = { resolver, retry: { budgetRatio: 1, budgetMinPerSecond: 1 } }
  await using one = createClient('budgeted', options)
  await using other = createClient('budgeted', options)
  expect(other.inspect().retryBudget).toBe(10)
  await expect(one.request({ path: '/' })).rejects.toThrow()
  expect(other.inspect().retryBudget).toBe(11)
})
