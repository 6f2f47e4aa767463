import { expect, test } from 'vitest'
import { answerTimeoutMs, BlockingIndex } from './blocking-index.js'

/** What is waited on after these answers, in braces those of a stream; `?`: older, and `!`: unconfirmed. */
function after(
  ...answers: readonly (number | undefined | 'reset' | readonly [number | undefined])[]
): readonly (number | string | undefined)[] {
  const index = new BlockingIndex()
  return answers.map((answer) => {
    const next = (): number | undefined => index.waiting(1)?.index
    if (answer === 'reset') {
      index.reset()
      return next()
    }
    const streamed = typeof answer === 'object'
    const standing = index.take({ index: streamed ? answer[0] : answer, streamed })
    return standing === 'whole' ? next() : `${standing === 'older' ? '?' : '!'}${String(next())}`
  })
}

test('the next query waits on what was answered', () => {
  expect(new BlockingIndex().waiting(1000)).toBeUndefined()
  const index = new BlockingIndex()
  index.take({ index: 7, streamed: false })
  expect(index.waiting(1000)).toEqual({ index: 7, waitMs: 1000 })
})

test.each([
  [
    [5, 5, 9],
    [5, 5, 9],
  ],
  [
    [0, 0, 0],
    [1, 1, 1],
  ],
  [
    [undefined, undefined],
    [undefined, undefined],
  ],
  [
    [9, 'reset', 9],
    [9, undefined, 9],
  ],
  [
    [9, 4, 4, 5],
    [9, '?undefined', 4, 5],
  ],
  [
    [9, 4, 9],
    [9, '?undefined', 9],
  ],
  // Not only right after: an outage does not make an old state young.
  [
    [9, 'reset', 4, 'reset', 4],
    [9, undefined, '?undefined', undefined, 4],
  ],
  [
    [9, undefined, undefined],
    [9, '?undefined', undefined],
  ],
  // Said twice it counts, and so does the way back up.
  [
    [9, 4, 3, 2, 2],
    [9, '?undefined', 3, '?undefined', 2],
  ],
  // What a stream brings is news only above what was asked with; where nothing was, as for a cache, it is all there is.
  [
    [9, [12], [12], 12, [13]],
    [9, 12, '!undefined', 12, 13],
  ],
  [
    [[9], [9], [4]],
    [9, '!undefined', '?undefined'],
  ],
  // Its index may be that of its own last change, below that of the servers: nothing is older by that.
  [
    [50, [9], 51, [1], 51, [undefined], 51, [52]],
    [50, '!undefined', 51, '!undefined', 51, '!undefined', 51, 52],
  ],
] as const)('after %j: %j', (answers, waitedOn) => {
  expect(after(...answers)).toEqual(waitedOn)
})

test('an answer may take the wait, its stagger of a sixteenth, and 10 s', () => {
  expect(answerTimeoutMs(undefined)).toBe(10_000)
  expect(answerTimeoutMs({ index: 1, waitMs: 160_000 })).toBe(180_000)
})
