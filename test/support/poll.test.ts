import { expect, test } from 'vitest'
import { eventually } from './poll.js'

test('resolves with the first truthy value, and takes a throw for "not yet"', async () => {
  let calls = 0
  const value = await eventually(
    () => {
      calls += 1
      if (calls === 1) throw new Error('refused')
      return calls === 3 && 'ready'
    },
    { what: 'the third call' },
  )
  expect(value).toBe('ready')
  expect(calls).toBe(3)
})

test('says what it waited for and the last value', async () => {
  await expect(eventually(() => 0, { what: 'two instances', deadlineMs: 50 })).rejects.toThrow(
    'waited 50 ms for two instances; last: 0',
  )
})

test('says the last error and its cause', async () => {
  const probe = (): never => {
    throw new TypeError('fetch failed', { cause: new Error('refused') })
  }
  await expect(eventually(probe, { what: 'an answer', deadlineMs: 50 })).rejects.toThrow(
    'last: TypeError: fetch failed (refused)',
  )
})

test('keeps its deadline if the probe hangs', async () => {
  await expect(
    eventually(() => new Promise<boolean>(() => undefined), { what: 'a hung probe', deadlineMs: 50 }),
  ).rejects.toThrow('waited 50 ms for a hung probe; last: no answer')
})

test('ends with the reason of its signal', async () => {
  const controller = new AbortController()
  const waiting = eventually(() => false, { what: 'ever', signal: controller.signal })
  controller.abort(new Error('no longer wanted'))
  await expect(waiting).rejects.toThrow('no longer wanted')
  await expect(eventually(() => true, { what: 'ever', signal: controller.signal })).rejects.toThrow(
    'no longer wanted',
  )
})
