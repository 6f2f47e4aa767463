import { expect, test } from 'vitest'
import { priorityOf } from './priority.js'

test.each([
  ['0', 0],
  ['7', 7],
  [' 5 ', 5],
  ['u=1', 1],
  ['u=1, i', 1],
  ['i, u=6', 6],
  ['i,u=2;a=1', 2],
  // As a structured field, the first that has the form.
  ['8', 3],
  ['u=8', 3],
  ['-1', 3],
  ['15', 3],
  ['u=15', 3],
  ['u', 3],
  ['xu=1', 3],
  ['', 3],
  ['high', 3],
])('%j of a header is priority %d', (value, priority) => {
  expect(priorityOf({ options: {}, headers: { Priority: value } }, 'priority')).toBe(priority)
})

test('what its options say goes before its header, which is read only where one is named', () => {
  const headers = ['priority', 'u=1', 'priority', 'u=2']
  expect(priorityOf({ options: { priority: 6 }, headers }, 'priority')).toBe(6)
  expect(priorityOf({ options: {}, headers }, 'priority')).toBe(1)
  expect(priorityOf({ options: {}, headers }, 'x-criticality')).toBe(3)
  expect(priorityOf({ options: {}, headers }, undefined)).toBe(3)
})
