import fc from 'fast-check'
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { errors } from 'undici'
import { BackendLoad } from '../orca/backend-load.js'
import type { Outcome } from '../resilience/outcome.js'
import { ManualClock } from '../testing/index.js'
import type { ReleaseReason } from '../transport/transport.js'
import { HeardAttempts, HeardEndpoint, HeldTransport } from './attempt.test.support.js'
import { HttpAttempt } from './http-attempt.js'

type Attempt = HttpAttempt<HeardEndpoint>

function start(body?: unknown): {
  endpoint: HeardEndpoint
  transport: HeldTransport
  next: HeardAttempts
  clock: ManualClock
  attempt: Attempt
} {
  const clock = new ManualClock()
  const endpoint = new HeardEndpoint(clock)
  const transport = new HeldTransport()
  const next = new HeardAttempts()
  const options = { method: 'GET', path: '/', body: body as never } as const
  const attempt = new HttpAttempt(endpoint, transport, 7, options, next, undefined, clock, clock.now())
  return { endpoint, transport, next, clock, attempt }
}

const head = (attempt: Attempt, status: number): boolean => attempt.onHeaders(status, [], () => undefined, '')

test('in flight is conserved and the outcome is one, in any order of events', () => {
  const event = fc.constantFrom(
    'connect',
    'head 100',
    'head 200',
    'head 503',
    'data',
    'complete',
    'error',
    'cancel',
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 12 }), (script) => {
      const { endpoint, transport, attempt } = start()
      for (const step of script) {
        expect(endpoint.inflight).toBeGreaterThanOrEqual(0)
        if (step === 'connect') attempt.onConnect(() => undefined)
        if (step.startsWith('head')) head(attempt, Number(step.slice(5)))
        if (step === 'data') attempt.onData(Buffer.from('x'))
        if (step === 'complete') attempt.onComplete([])
        if (step === 'error') attempt.onError(new Error('reset'))
        if (step === 'cancel') attempt.cancel(new Error('gone'), 'ignored')
      }
      const over = script.some((step) => ['complete', 'error', 'cancel'].includes(step))
      expect(endpoint.inflight).toBe(over ? 0 : 1)
      expect(transport.released.length).toBe(over ? 1 : 0)
      expect(endpoint.outcomes.length).toBeLessThanOrEqual(1)
    }),
  )
})

test('the event loop is watched until the head, whatever comes first', async () => {
  const ways: readonly ((attempt: Attempt) => void)[] = [
    (attempt) => head(attempt, 200),
    (attempt) => head(attempt, 503),
    (attempt) => attempt.onError(new Error('reset')),
    (attempt) => attempt.cancel(new Error('gone'), 'ignored'),
    (attempt) => attempt.onUpgrade(101, [], new PassThrough()),
    (attempt) => attempt.onComplete([]),
  ]
  for (const happen of ways) {
    const { clock, attempt } = start()
    attempt.onConnect(() => undefined)
    await clock.advance(60)
    expect(clock.pending).toBe(1)
    happen(attempt)
    happen(attempt)
    await clock.advance(60)
    expect(clock.pending).toBe(0)
  }
})

test('latency runs from the write to the first byte', async () => {
  const { endpoint, clock, attempt } = start()
  await clock.advance(50)
  attempt.onConnect(() => undefined)
  await clock.advance(8)
  head(attempt, 200)
  await clock.advance(100)
  attempt.onComplete([])
  expect(endpoint.estimateUs(58) / 1000).toBe(8)
})

test('an upload counts from its last chunk: no endpoint answers what it has not got', async () => {
  const { endpoint, clock, attempt } = start(Readable.from([]))
  attempt.onConnect(() => undefined)
  await clock.advance(9000)
  attempt.onBodySent('the end')
  attempt.onRequestSent()
  await clock.advance(8)
  head(attempt, 200)
  expect(endpoint.estimateUs(9008) / 1000).toBe(8)
})

test('what is answered while its caller does not go on with the upload took that long at most', async () => {
  const answeredAfter = async (ms: number): Promise<number> => {
    const body = new PassThrough()
    body.resume()
    const { endpoint, clock, attempt } = start(body)
    attempt.onConnect(() => undefined)
    attempt.onBodySent('some')
    await clock.advance(ms)
    head(attempt, 408)
    return endpoint.estimateUs(ms) / 1000
  }
  expect(await answeredAfter(8)).toBe(8)
  // The seed of 30 ms, decayed for 5 s.
  expect(await answeredAfter(5000)).toBeCloseTo(30 * Math.exp(-0.5), 1)
})

describe('our event loop is held up for 800 ms', () => {
  /** Settled at 10 ms, and a request written at 190 of them. */
  async function written(): Promise<ReturnType<typeof start>> {
    const begun = start()
    const { endpoint, clock, attempt } = begun
    await clock.advance(100)
    for (let n = 0; n < 10; n++) endpoint.observe(10, 100)
    attempt.onConnect(() => undefined)
    await clock.advance(90)
    return begun
  }
  const heldUp = async (happen: (attempt: Attempt) => void, awaitedMs = 0): Promise<number> => {
    const { endpoint, clock, attempt } = await written()
    await clock.advance(awaitedMs)
    clock.holdUp(800)
    happen(attempt)
    return endpoint.estimateUs(clock.now()) / 1000
  }

  test('an answer that may have come when it was expected says nothing', () => {
    const { endpoint, clock, attempt } = start()
    for (let n = 0; n < 10; n++) endpoint.observe(10, 0)
    attempt.onConnect(() => undefined)
    clock.holdUp(800)
    head(attempt, 200)
    expect(endpoint.estimateUs(800) / 1000).toBeCloseTo(10 * Math.exp(-0.08), 2)
    expect(endpoint.outcomes).toEqual([[7, 'success']])
  })

  test('one that must have been later says how much later', async () => {
    // Written at 100, polled for at 180 the last time before.
    expect(await heldUp((attempt) => head(attempt, 200))).toBe(80)
    expect(await heldUp((attempt) => head(attempt, 200), 1000)).toBe(1080)
  })

  test('one that must have been sooner says how much sooner', () => {
    const { endpoint, clock, attempt } = start()
    for (let n = 0; n < 10; n++) endpoint.observe(10_000, 0)
    attempt.onConnect(() => undefined)
    clock.holdUp(800)
    head(attempt, 200)
    // An eighth of the time constant of 10 s takes it part of the way to 800 ms.
    const kept = Math.exp(-0.08)
    expect(endpoint.estimateUs(800) / 1000).toBeCloseTo(10_000 * kept + 800 * (1 - kept), 0)
  })

  test('one that is read in time counts as it is', async () => {
    expect(await heldUp(() => undefined)).toBeLessThan(10)
    const { endpoint, clock, attempt } = await written()
    clock.holdUp(15)
    head(attempt, 200)
    expect(endpoint.estimateUs(clock.now()) / 1000).toBe(105)
  })

  test('the time after it is known exactly again', async () => {
    const { endpoint, clock, attempt } = await written()
    clock.holdUp(800)
    await clock.advance(100)
    head(attempt, 200)
    expect(endpoint.estimateUs(clock.now()) / 1000).toBe(990)
  })

  test.each<[string, (attempt: Attempt) => void]>([
    ['5xx', (attempt) => head(attempt, 503)],
    ['a reset', (attempt) => attempt.onError(new Error('reset'))],
  ])('a failure counts for as long as it must have taken: %s', async (_, happen) => {
    // From the pick at 0 to 180, and four times the estimate is less.
    expect(await heldUp(happen)).toBe(180)
  })

  test('a deadline takes its time, also where the event loop was held up', async () => {
    expect(await heldUp((attempt) => attempt.cancel(new Error('late'), 'local_failure'))).toBe(990)
  })
})

test.each<[ReleaseReason, (attempt: Attempt) => void]>([
  ['complete', (attempt) => attempt.onComplete([])],
  ['failed', (attempt) => attempt.onError(new Error('reset'))],
  ['cancelled', (attempt) => attempt.cancel(new Error('gone'), 'ignored')],
])('leaves its connection %s', (reason, happen) => {
  const { transport, attempt } = start()
  attempt.onConnect(() => undefined)
  happen(attempt)
  expect(transport.released).toEqual([reason])
})

describe('the outcome', () => {
  test.each<[string, (attempt: Attempt) => void, Outcome]>([
    ['2xx', (attempt) => head(attempt, 200), 'success'],
    ['4xx', (attempt) => head(attempt, 404), 'success'],
    ['5xx', (attempt) => head(attempt, 500), 'remote_failure'],
    ['a broken connection', (attempt) => attempt.onError(new Error('reset')), 'local_failure'],
    ['the caller went away', (attempt) => attempt.cancel(new Error('bye'), 'ignored'), 'ignored'],
    ['refused by undici', (attempt) => attempt.onError(new errors.InvalidArgumentError('path')), 'ignored'],
    ['our pool is closed', (attempt) => attempt.onError(new errors.ClientDestroyedError()), 'ignored'],
  ])('%s: %o', (_, happen, outcome) => {
    const { endpoint, attempt } = start()
    attempt.onConnect(() => undefined)
    happen(attempt)
    expect(endpoint.outcomes).toEqual([[7, outcome]])
  })

  test("an error of the caller's own body is not the endpoint's", () => {
    const body = new PassThrough()
    body.on('error', () => undefined)
    const { endpoint, attempt } = start(body)
    const error = new Error('the upload broke off')
    body.destroy(error)
    attempt.onError(error)
    expect(endpoint.outcomes).toEqual([[7, 'ignored']])
  })

  test('waits for the final head', () => {
    const { endpoint, attempt } = start()
    head(attempt, 103)
    expect(endpoint.outcomes).toEqual([])
    head(attempt, 200)
    expect(endpoint.outcomes).toEqual([[7, 'success']])
  })

  test('a body cut off costs latency, after a good head, and no more the longer it went on', async () => {
    const { endpoint, attempt, next, clock } = start()
    attempt.onConnect(() => undefined)
    await clock.advance(10)
    head(attempt, 200)
    await clock.advance(600_000)
    endpoint.observe(10, clock.now())
    const before = endpoint.estimateUs(clock.now())
    attempt.onError(new Error('reset'))
    expect(endpoint.estimateUs(clock.now())).toBe(4 * before)
    expect(next.heard).toEqual(['head 200', 'error reset'])
  })
})

describe("the backend's report", () => {
  const raw = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))
  const answer = (attempt: Attempt, status: number, headers: Buffer[]): boolean =>
    attempt.onHeaders(status, headers, () => undefined, '')
  const report = 'TEXT cpu_utilization=0.5,rps_fractional=8'

  test.each(['endpoint-load-metrics', 'Endpoint-Load-Metrics', 'ENDPOINT-LOAD-METRICS'])(
    'is read where a policy asks for it: %s',
    async (name) => {
      const { endpoint, clock, attempt } = start()
      endpoint.backendLoad = new BackendLoad()
      await clock.advance(7.5)
      const headers = raw(
        'date',
        'today',
        'x-ndpoint-load-metrics',
        'TEXT eps=1',
        name,
        report,
        name,
        'TEXT eps=2',
      )
      answer(attempt, 200, headers)
      expect(endpoint.backendLoad).toMatchObject({ utilization: 0.5, qps: 8, eps: 0, reportedAt: 7 })
    },
  )

  test('of an error counts as any other; of an interim response it is none', () => {
    const { endpoint, attempt } = start()
    endpoint.backendLoad = new BackendLoad()
    answer(attempt, 103, raw('endpoint-load-metrics', report))
    expect(endpoint.backendLoad.reportedAt).toBe(-1)
    answer(attempt, 503, raw('endpoint-load-metrics', report))
    expect(endpoint.backendLoad.qps).toBe(8)
  })

  test('stays away with a request that was cancelled', () => {
    const { endpoint, attempt } = start()
    endpoint.backendLoad = new BackendLoad()
    attempt.cancel(new Error('too late'), 'local_failure')
    answer(attempt, 200, raw('endpoint-load-metrics', report))
    expect(endpoint.backendLoad.reportedAt).toBe(-1)
  })

  test('is handed on with all other headers', () => {
    const { endpoint, next, attempt } = start()
    endpoint.backendLoad = new BackendLoad()
    const headers = raw('endpoint-load-metrics', 'nonsense', 'odd')
    const handed: Buffer[][] = []
    next.onHeaders = (given) => handed.push(given)
    answer(attempt, 200, headers)
    expect(handed).toEqual([raw('endpoint-load-metrics', 'nonsense', 'odd')])
    expect(endpoint.backendLoad.reportedAt).toBe(-1)
  })
})

describe('the endpoint is unreachable', () => {
  test('where no connection could be made', () => {
    const { endpoint, attempt } = start()
    const refused = new Error('connect ECONNREFUSED')
    attempt.onError(refused)
    expect(endpoint.unreached).toEqual([refused])
  })

  test.each<[string, (attempt: Attempt) => void]>([
    [
      'a connection broke',
      (attempt) => {
        attempt.onConnect(() => undefined)
        attempt.onError(new Error('reset'))
      },
    ],
    ['undici refused the request', (attempt) => attempt.onError(new errors.InvalidArgumentError('path'))],
    ['our pool is closed', (attempt) => attempt.onError(new errors.ClientDestroyedError())],
    ['it was cancelled', (attempt) => attempt.cancel(new Error('too late'), 'local_failure')],
    [
      'it was cancelled, and then refused',
      (attempt) => {
        attempt.cancel(new Error('too late'), 'local_failure')
        attempt.onError(new Error('connect ECONNREFUSED'))
      },
    ],
  ])('not where %s', (_, happen) => {
    const { endpoint, attempt } = start()
    happen(attempt)
    expect(endpoint.unreached).toEqual([])
  })
})

test('cancelled before it is connected, it is aborted as soon as it is', () => {
  const { attempt, next } = start()
  const reason = new Error('too late')
  attempt.cancel(reason, 'local_failure')
  let aborted: Error | undefined
  attempt.onConnect((why) => (aborted = why))
  expect(aborted).toBe(reason)
  expect(attempt.written).toBe(false)
  attempt.onError(reason)
  expect(next.heard).toEqual([])
})

test('an upgraded connection stays in flight until it closes', async () => {
  const { endpoint, attempt } = start()
  const socket = new PassThrough()
  attempt.onUpgrade(101, [], socket)
  expect(endpoint.inflight).toBe(1)
  socket.destroy()
  await new Promise((resolve) => socket.once('close', resolve))
  expect(endpoint.inflight).toBe(0)
})

describe('the callbacks of undici', () => {
  /** Hears of the request as well. */
  class Progress extends HeardAttempts {
    override onBodySent(): void {
      this.heard.push('body sent')
    }

    override onRequestSent(): void {
      this.heard.push('request sent')
    }

    override onResponseStarted(): void {
      this.heard.push('response started')
    }
  }

  function progressing(): {
    attempt: Attempt
    next: Progress
    endpoint: HeardEndpoint
    transport: HeldTransport
  } {
    const clock = new ManualClock()
    const endpoint = new HeardEndpoint(clock)
    const transport = new HeldTransport()
    const next = new Progress()
    const options = { method: 'PUT', path: '/', body: 'some' } as const
    const attempt = new HttpAttempt(endpoint, transport, 7, options, next, undefined, clock, clock.now())
    return { attempt, next, endpoint, transport }
  }

  function request(attempt: Attempt): readonly unknown[] {
    attempt.onBodySent('some')
    attempt.onRequestSent()
    attempt.onResponseStarted()
    return [head(attempt, 200), attempt.onData(Buffer.from('data'))]
  }

  test('are handed on', () => {
    const { attempt, next } = progressing()
    attempt.onConnect(() => undefined)
    request(attempt)
    attempt.onComplete([])
    expect(next.heard).toEqual([
      'body sent',
      'request sent',
      'response started',
      'head 200',
      'data',
      'complete',
    ])
  })

  test('are ignored once it is cancelled, and let undici go on', () => {
    for (const last of ['complete', 'upgrade', 'error'] as const) {
      const { attempt, next, endpoint, transport } = progressing()
      attempt.onConnect(() => undefined)
      attempt.cancel(new Error('too late'), 'local_failure')
      attempt.cancel(new Error('again'), 'ignored')
      expect(request(attempt)).toEqual([true, true])
      if (last === 'complete') attempt.onComplete([])
      if (last === 'upgrade') attempt.onUpgrade(101, [], new PassThrough())
      if (last === 'error') attempt.onError(new Error('too late'))
      expect([next.heard, endpoint.inflight]).toEqual([[], 0])
      expect([endpoint.outcomes, transport.released]).toEqual([[[7, 'local_failure']], ['cancelled']])
    }
  })

  test('of an upgrade are a success', () => {
    const { attempt, next, endpoint } = progressing()
    attempt.onConnect(() => undefined)
    attempt.onUpgrade(101, [], new PassThrough())
    expect([next.heard, endpoint.outcomes]).toEqual([['upgrade'], [[7, 'success']]])
  })
})

test('what it was sent by is asked to send it again before it has failed', () => {
  const { attempt, transport, endpoint, next } = start()
  const resent: Error[] = []
  transport.resend = (_request?: unknown, error?: Error) => error !== undefined && resent.push(error) === 1
  const failures = [new Error('keep-alive race'), new Error('read ECONNRESET')] as const
  attempt.onConnect(() => undefined)
  attempt.onError(failures[0])
  expect([next.heard, endpoint.inflight, endpoint.outcomes]).toEqual([[], 1, []])
  attempt.onError(failures[1])
  expect([resent, next.heard, endpoint.inflight]).toEqual([failures, ['error read ECONNRESET'], 0])
})

describe('a deadline blames the endpoint', () => {
  /** On a connection from the beginning. */
  function carried(body?: unknown): ReturnType<typeof start> {
    const rig = start(body)
    rig.attempt.carrier = {}
    return rig
  }

  test('that has had the request all the time', async () => {
    const { attempt, clock } = carried()
    attempt.onConnect(() => undefined)
    await clock.advance(100)
    expect(attempt.silence(0)).toBe('local_failure')
    attempt.carrier = undefined
    expect(attempt.silence(0)).toBe('ignored')
  })

  test.each([
    [50, 'local_failure'],
    [51, 'ignored'],
  ])('where its turn in the queue came after %i of 100 ms: %s', async (queuedMs, outcome) => {
    const { attempt, clock } = carried()
    await clock.advance(queuedMs)
    attempt.onTurn()
    await clock.advance(100 - queuedMs)
    expect(attempt.silence(0)).toBe(outcome)
  })

  test.each([
    [20, 'local_failure'],
    [21, 'ignored'],
  ])('of what was written late, where the event loop was held up for %i ms: %s', async (lateMs, outcome) => {
    const { attempt, clock } = carried()
    await clock.advance(60)
    attempt.onConnect(() => undefined)
    await clock.advance(40)
    expect(attempt.silence(lateMs)).toBe(outcome)
  })

  test('but not for the time in which the event loop stood still before it was written', async () => {
    const { attempt, clock } = carried()
    // Its connection was there, and nobody looked.
    clock.holdUp(2000)
    await clock.advance(0)
    attempt.onConnect(() => undefined)
    await clock.advance(100)
    expect(attempt.silence(0)).toBe('ignored')
    await clock.advance(2000)
    expect(attempt.silence(0)).toBe('local_failure')
  })

  test('of what was not written at all, unless the event loop was held up', async () => {
    const { attempt, clock } = carried()
    await clock.advance(100)
    expect([attempt.silence(0), attempt.silence(1000)]).toEqual(['local_failure', 'ignored'])
  })

  test('not while its caller does not go on with the upload', async () => {
    const body = new PassThrough()
    body.resume()
    const { attempt, clock } = carried(body)
    await clock.advance(10)
    expect(attempt.silence(0)).toBe('local_failure')
    attempt.onConnect(() => undefined)
    await clock.advance(90)
    expect(attempt.silence(0)).toBe('ignored')
    attempt.onRequestSent()
    expect(attempt.silence(0)).toBe('local_failure')
  })
})

test('tells the transport whether a response has begun', () => {
  const { attempt } = start()
  expect(attempt.answered).toBe(false)
  attempt.onResponseStarted()
  expect(attempt.answered).toBe(true)
})

test('a response that cannot be parsed costs the endpoint traffic, as long as it took, and is no failure', async () => {
  const { attempt, endpoint, clock } = start()
  attempt.onConnect(() => undefined)
  const before = endpoint.estimateUs(clock.now())
  await clock.advance(5)
  attempt.onError(new errors.HTTPParserError())
  expect(endpoint.estimateUs(clock.now())).toBeGreaterThan(before)
  expect([endpoint.outcomes, endpoint.unreached]).toEqual([[[7, 'ignored']], []])
})

test('it is sent again in the async context of its caller, not of who opened the connection', () => {
  const { endpoint, transport, clock } = start()
  const stored = new AsyncLocalStorage<string>()
  const context = stored.run('caller', () => new AsyncResource('test'))
  const next = new HeardAttempts()
  Object.assign(next, { context })
  const attempt = new HttpAttempt(
    endpoint,
    transport,
    7,
    { method: 'GET', path: '/' },
    next,
    undefined,
    clock,
    0,
  )
  expect(attempt.context).toBe(context)
  const seen: unknown[] = []
  transport.resend = () => {
    seen.push(stored.getStore())
    return true
  }
  stored.run('another', () => attempt.onError(new Error('keep-alive race')))
  expect([seen, next.heard]).toEqual([['caller'], []])
})

test('an error of its caller costs the endpoint nothing, also after a head', () => {
  const { attempt, endpoint, clock } = start()
  const before = endpoint.estimateUs(clock.now())
  attempt.onConnect(() => undefined)
  attempt.onError(new errors.InvalidArgumentError())
  expect(endpoint.estimateUs(clock.now())).toBe(before)
  const answered = start()
  head(answered.attempt, 200)
  const measured = answered.endpoint.estimateUs(0)
  answered.attempt.onError(new errors.RequestAbortedError())
  expect(answered.endpoint.estimateUs(0)).toBe(measured)
})
