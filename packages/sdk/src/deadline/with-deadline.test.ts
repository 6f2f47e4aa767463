import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../testing/index.js'
import { currentDeadline } from './current-deadline.js'
import { withDeadline } from './with-deadline.js'

const remaining = (): number | undefined => currentDeadline()?.remainingMs

test('there is none outside, before and after', () => {
  expect(currentDeadline()).toBeUndefined()
  expect(withDeadline(100, () => currentDeadline()?.source)).toBe('withDeadline, 100 ms')
  expect(currentDeadline()).toBeUndefined()
})

test('it holds for what the work awaits, and passes', async () => {
  const clock = new ManualClock()
  const left = await withDeadline(
    100,
    async () => {
      await setImmediate()
      clock.holdUp(30)
      await Promise.resolve()
      return [remaining(), (clock.holdUp(80), remaining())]
    },
    { clock },
  )
  expect(left).toEqual([70, 0])
})

test('what the work throws is thrown', () => {
  const failure = new Error('mine')
  expect(() =>
    withDeadline(100, () => {
      throw failure
    }),
  ).toThrow(failure)
})

describe('within another the earlier one holds', () => {
  const clock = new ManualClock()
  const nested = (outer: number, inner: number): [number | undefined, string | undefined] =>
    withDeadline(
      outer,
      () => withDeadline(inner, () => [remaining(), currentDeadline()?.source], { clock }),
      { clock },
    )

  test.each([
    [100, 50, 50],
    [50, 100, 50],
    [50, Infinity, 50],
    [50, 50, 50],
  ])('%d ms around %d ms', (outer, inner, earlier) => {
    expect(nested(outer, inner)).toEqual([earlier, `withDeadline, ${earlier} ms`])
  })

  test('also where they go by clocks of different origins', () => {
    const later = new ManualClock()
    later.holdUp(1_000_000)
    const left = (outer: number, inner: number): number | undefined =>
      withDeadline(outer, () => withDeadline(inner, remaining, { clock: later }), { clock })
    expect([left(100, 50), left(50, 100)]).toEqual([50, 50])
  })
})

test('one that was carried elsewhere is the same, and goes on', () => {
  const clock = new ManualClock()
  const carried = withDeadline(100, currentDeadline, { clock })
  clock.holdUp(60)
  expect(carried && withDeadline(carried, () => [currentDeadline() === carried, remaining()])).toEqual([
    true,
    40,
  ])
  expect(carried && withDeadline(10, () => withDeadline(carried, remaining), { clock })).toBe(10)
})

test('Infinity is none, and a time that is over is over', () => {
  expect(withDeadline(Infinity, currentDeadline)).toBeUndefined()
  expect(withDeadline(0, remaining)).toBe(0)
  expect(withDeadline(-5, remaining)).toBe(0)
})

test.each([
  [
    NaN,
    'deadline of withDeadline is NaN: it must be milliseconds from now, or what currentDeadline() returns',
  ],
  [
    '5',
    "deadline of withDeadline is '5': it must be milliseconds from now, or what currentDeadline() returns",
  ],
  [undefined, 'deadline of withDeadline is undefined: it must be milliseconds from now'],
])('%j is refused', (deadline, message) => {
  expect(() => withDeadline(deadline as number, () => 1)).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(message) as unknown,
    }) as Error,
  )
})

test('so is what cannot be run, and an option that there is not', () => {
  expect(() => withDeadline(5, 5 as unknown as () => void)).toThrow(
    'what withDeadline runs is 5: it must be a function',
  )
  expect(() => withDeadline(5, () => 1, { clok: 1 } as object)).toThrow('withDeadline: unknown option clok')
})
