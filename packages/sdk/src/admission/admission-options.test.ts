import { expect, test } from 'vitest'
import { parseOptions } from '../client-options.js'

const admission = (given: unknown): unknown => parseOptions('orders', { admission: given }, {}).admission

test('there is no limit by default', () => {
  expect([parseOptions('orders', {}, {}).admission, admission(false)]).toEqual([undefined, undefined])
})

test('defaults are those of Envoy, Linkerd and Netflix, within what is given', () => {
  const queue = { max: 1024, timeoutMs: 3000 }
  const usual = { queueSize: 4, rttTolerance: 1.5 }
  expect(admission({ maxConcurrent: 50 })).toEqual({ limit: 50, queue, priorityHeader: undefined })
  expect(admission({ adaptive: true, priorityHeader: 'Priority' })).toEqual({
    limit: { initialLimit: 20, minLimit: 20, maxLimit: 200, ...usual },
    queue,
    priorityHeader: 'priority',
  })
  expect(admission({ adaptive: true, maxConcurrent: 10, queue: false })).toEqual({
    limit: { initialLimit: 10, minLimit: 10, maxLimit: 10, ...usual },
    queue: { max: 0, timeoutMs: Infinity },
    priorityHeader: undefined,
  })
  expect(admission({ adaptive: { minLimit: 30, rttTolerance: 2 }, queue: { max: 5 } })).toEqual({
    limit: { initialLimit: 30, minLimit: 30, maxLimit: 200, queueSize: 4, rttTolerance: 2 },
    queue: { max: 5, timeoutMs: 3000 },
    priorityHeader: undefined,
  })
})

test.each([
  [
    {},
    'admission.maxConcurrent is undefined: it must be a whole number from 1 to 1000000, unless admission.adaptive',
  ],
  [{ maxConcurrent: 0 }, 'admission.maxConcurrent is 0: it must be a whole number from 1 to 1000000'],
  [
    { maxConcurrent: 5, queue: { max: -1 } },
    'admission.queue.max is -1: it must be a whole number from 0 to 1000000',
  ],
  [
    { maxConcurrent: 5, queue: { timeoutMs: 0 } },
    'admission.queue.timeoutMs is 0: it must be a whole number of milli',
  ],
  [{ maxConcurrent: 5, queue: true }, 'admission.queue is true: it must be false or an object of options'],
  [
    { maxConcurrent: 5, priorityHeader: 'a b' },
    "admission.priorityHeader is 'a b': it must be the name of a header",
  ],
  [{ maxconcurrent: 5 }, 'did you mean maxConcurrent?'],
  [{ adaptive: 5 }, 'admission.adaptive is 5: it must be true, false or an object of options'],
  [
    { adaptive: { rttTolerance: 0.5 } },
    'admission.adaptive.rttTolerance is 0.5: it must be a number from 1 to 10',
  ],
  [
    { adaptive: { maxLimit: 50 }, maxConcurrent: 40 },
    'adaptive.maxLimit is 50: it must be at most maxConcurrent, 40',
  ],
  [{ adaptive: { minLimit: 300 } }, 'admission.adaptive.minLimit is 300: it must be at most maxLimit, 200'],
  [
    { adaptive: { initialLimit: 10 } },
    'adaptive.initialLimit is 10: it must be from minLimit, 20, to maxLimit, 200',
  ],
  [true, 'admission is true: it must be false or an object of options'],
])('%j is refused', (given, message) => {
  expect(() => admission(given)).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(message) as unknown,
    }) as Error,
  )
})
