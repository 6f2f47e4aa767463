import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test, vi } from 'vitest'
import { currentDeadline } from './current-deadline.js'
import { withDeadline } from './with-deadline.js'

// A module of this file's own, in which no deadline has been bound.
test('the async context is not asked before a deadline has been bound in this process', () => {
  const asked = vi.spyOn(AsyncLocalStorage.prototype, 'getStore')
  withDeadline(Infinity, () => undefined)
  expect(currentDeadline()).toBeUndefined()
  expect(asked).not.toHaveBeenCalled()
  withDeadline(100, () => undefined)
  expect(currentDeadline()).toBeUndefined()
  expect(asked).toHaveBeenCalled()
  asked.mockRestore()
})
