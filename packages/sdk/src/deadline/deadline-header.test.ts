import fc from 'fast-check'
import type { Dispatcher } from 'undici'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../testing/index.js'
import { DEADLINE_HEADERS, incomingDeadline, withDeadlineHeaders } from './deadline-header.js'
import type { DeadlineHeader } from './deadline.js'

const ENVOY = 'x-envoy-expected-rq-timeout-ms'
const GRPC = 'grpc-timeout'
const DAY = 86_400_000

describe('of an incoming request', () => {
  test.each([
    [{ [ENVOY]: '250' }, 250, [ENVOY]],
    [{ [GRPC]: '2S' }, 2000, [GRPC]],
    [{ [GRPC]: '0n' }, 0, [GRPC]],
    [{ [GRPC]: '2S', [ENVOY]: '250' }, 250, [ENVOY, GRPC]],
    [{ [GRPC]: '2m', [ENVOY]: '250' }, 2, [ENVOY, GRPC]],
    [{ [GRPC]: 'soon', [ENVOY]: '250' }, 250, [ENVOY]],
    [{ [GRPC]: '2S', [ENVOY]: 'soon' }, 2000, [GRPC]],
    [{ [GRPC]: '99999999H' }, DAY, [GRPC]],
    [{ [ENVOY]: '999999999999999' }, DAY, [ENVOY]],
  ])('%j is a deadline in %d ms, by %j', (headers, ms, by) => {
    const clock = new ManualClock()
    clock.holdUp(1000)
    const deadline = incomingDeadline(headers, DAY, clock)
    expect(deadline).toMatchObject({ remainingMs: ms, receivedBy: by })
    clock.holdUp(1)
    expect(deadline?.remainingMs).toBe(Math.max(0, ms - 1))
  })

  test('it says whose it is', () => {
    const of = (headers: Record<string, string>): string | undefined =>
      incomingDeadline(headers, 60_000, new ManualClock())?.source
    expect(of({ [GRPC]: '2S', [ENVOY]: '250' })).toBe(
      'x-envoy-expected-rq-timeout-ms of the incoming request, 250 ms',
    )
    expect(of({ [GRPC]: '2S', [ENVOY]: '2500' })).toBe('grpc-timeout of the incoming request, 2000 ms')
    expect(of({ [GRPC]: '2H' })).toBe('grpc-timeout of the incoming request, 60000 ms')
  })

  test.each([
    {},
    { [ENVOY]: '' },
    // Of Envoy no limit.
    { [ENVOY]: '0' },
    { [ENVOY]: '-5' },
    { [ENVOY]: '1e3' },
    { [ENVOY]: '2.5' },
    { [ENVOY]: '250, 300' },
    { [ENVOY]: '1000000000000000' },
    { [ENVOY]: ['250'] },
    { [GRPC]: '123456789m' },
    { [GRPC]: '1m, 1m' },
    { [GRPC]: ['1m'] },
  ])('%j is none', (headers) => {
    expect(incomingDeadline(headers, DAY, new ManualClock())).toBeUndefined()
  })

  test.each([
    [{ 'x-envoy-attempt-count': '2' }, true, Infinity],
    [{ 'grpc-previous-rpc-attempts': '1', [GRPC]: '2S' }, true, 2000],
    [{ 'x-envoy-attempt-count': '1', [ENVOY]: '250' }, false, 250],
    [{ 'x-envoy-attempt-count': 'many', [ENVOY]: '250' }, false, 250],
  ])('%j is of a retry: %s', (headers, ofRetry, remainingMs) => {
    expect(incomingDeadline(headers, DAY, new ManualClock())).toMatchObject({ ofRetry, remainingMs })
  })
})

describe('of a request that goes out', () => {
  const sent = (headers: unknown, names: readonly DeadlineHeader[], ms: number): unknown => {
    const options = { method: 'GET', path: '/', headers } as Dispatcher.DispatchOptions
    const result = withDeadlineHeaders(options, names, ms)
    // What is sent again is told another time.
    expect(options.headers).toBe(headers)
    return result.headers
  }

  test.each([
    [undefined, { [ENVOY]: '99' }],
    [null, { [ENVOY]: '99' }],
    [{ a: '1' }, { a: '1', [ENVOY]: '99' }],
    [
      ['a', '1'],
      ['a', '1', ENVOY, '99'],
    ],
  ])('beside %j', (headers, expected) => {
    expect(sent(headers, [ENVOY], 99.9)).toEqual(expected)
  })

  test.each([[{ 'X-Envoy-Expected-Rq-Timeout-Ms': '7' }], [['x-envoy-expected-RQ-timeout-ms', '7']]])(
    'not where its caller has it: %j',
    (headers) => {
      expect(sent(headers, [ENVOY], 99)).toBe(headers)
    },
  )

  test('each by itself, in its own format', () => {
    expect(sent({ [GRPC]: '1S' }, DEADLINE_HEADERS, 99)).toEqual({ [GRPC]: '1S', [ENVOY]: '99' })
    expect(sent([], DEADLINE_HEADERS, 150_000_000)).toEqual([ENVOY, '150000000', GRPC, '150000S'])
  })

  test('in whole milliseconds, rounded down and at least 1', () => {
    fc.assert(
      fc.property(fc.double({ min: -1e6, max: 1e12, noNaN: true }), (ms) => {
        const told = Number((sent({}, [ENVOY], ms) as Record<string, string>)[ENVOY])
        expect(told).toBe(ms < 1 ? 1 : Math.floor(ms))
      }),
    )
    expect(sent({}, [ENVOY], 1e300)).toEqual({ [ENVOY]: '999999999999999' })
  })
})
