import fc from 'fast-check'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { errors } from 'undici'
import { BackendLoad } from '../orca/backend-load.js'
import type { Clock } from '../clock.js'
import type { Handler } from '../transport/handler.js'
import type { Outcome, Permit } from '../resilience/breaker.js'
import { ManualClock } from '../testing/index.js'
import type { Ending } from '../transport/http1.js'
import { PeakEwma } from './peak-ewma.js'
import { Exchange, type ExchangeSide } from './exchange.js'
import { LoopWatch } from '../runtime/loop-watch.js'

class Side extends PeakEwma implements ExchangeSide {
  backendLoad: BackendLoad | undefined
  readonly loop: LoopWatch
  readonly unreached: Error[] = []
  readonly verdicts: [Permit, Outcome][] = []
  readonly released: Ending[] = []
  readonly resent: Exchange[] = []
  inflight = 0

  constructor(clock: Clock) {
    super(30, 0)
    this.loop = new LoopWatch(clock)
  }

  begin(): void {
    this.inflight++
  }

  end(): void {
    this.inflight--
  }

  resend(exchange: Exchange): boolean {
    this.resent.push(exchange)
    return true
  }

  release(_exchange: Exchange, ending: Ending): void {
    this.released.push(ending)
  }

  unreachable(error: Error): void {
    this.unreached.push(error)
  }

  judge(permit: Permit, outcome: Outcome): void {
    this.verdicts.push([permit, outcome])
  }
}

class Recorder implements Handler {
  readonly heard: string[] = []

  onConnect(): void {
    this.heard.push('connect')
  }

  onHeaders(statusCode: number): boolean {
    this.heard.push(`head ${statusCode}`)
    return true
  }

  onData(): boolean {
    this.heard.push('data')
    return true
  }

  onComplete(): void {
    this.heard.push('complete')
  }

  onUpgrade(): void {
    this.heard.push('upgrade')
  }

  onError(error: Error): void {
    this.heard.push(`error ${error.message}`)
  }
}

function start(body?: unknown): {
  side: Side
  next: Recorder
  clock: ManualClock
  exchange: Exchange
} {
  const clock = new ManualClock()
  const side = new Side(clock)
  const next = new Recorder()
  return {
    side,
    next,
    clock,
    exchange: new Exchange(
      side,
      next,
      7,
      { method: 'GET', path: '/', body: body as never },
      clock,
      clock.now(),
    ),
  }
}

const head = (exchange: Exchange, status: number): boolean =>
  exchange.onHeaders(status, [], () => undefined, '')

test('in flight is conserved and the verdict is one, in any order of events', () => {
  const event = fc.constantFrom(
    'connect',
    'head 100',
    'head 200',
    'head 503',
    'data',
    'complete',
    'error',
    'abandon',
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 12 }), (script) => {
      const { side, exchange } = start()
      for (const step of script) {
        expect(side.inflight).toBeGreaterThanOrEqual(0)
        if (step === 'connect') exchange.onConnect(() => undefined)
        if (step.startsWith('head')) head(exchange, Number(step.slice(5)))
        if (step === 'data') exchange.onData(Buffer.from('x'))
        if (step === 'complete') exchange.onComplete([])
        if (step === 'error') exchange.onError(new Error('reset'))
        if (step === 'abandon') exchange.abandon(new Error('gone'), 'ignored')
      }
      const over = script.some((step) => ['complete', 'error', 'abandon'].includes(step))
      expect(side.inflight).toBe(over ? 0 : 1)
      expect(side.released.length).toBe(over ? 1 : 0)
      expect(side.verdicts.length).toBeLessThanOrEqual(1)
    }),
  )
})

test('the event loop is watched until the head, whatever comes first', async () => {
  const ways: readonly ((exchange: Exchange) => void)[] = [
    (exchange) => head(exchange, 200),
    (exchange) => head(exchange, 503),
    (exchange) => exchange.onError(new Error('reset')),
    (exchange) => exchange.abandon(new Error('gone'), 'ignored'),
    (exchange) => exchange.onUpgrade(101, [], new PassThrough()),
    (exchange) => exchange.onComplete([]),
  ]
  for (const happen of ways) {
    const { clock, exchange } = start()
    exchange.onConnect(() => undefined)
    await clock.advance(60)
    expect(clock.pending).toBe(1)
    happen(exchange)
    happen(exchange)
    await clock.advance(60)
    expect(clock.pending).toBe(0)
  }
})

test('latency runs from the write to the first byte', async () => {
  const { side, clock, exchange } = start()
  await clock.advance(50)
  exchange.onConnect(() => undefined)
  await clock.advance(8)
  head(exchange, 200)
  await clock.advance(100)
  exchange.onComplete([])
  expect(side.estimateUs(58) / 1000).toBe(8)
})

test('an upload counts from its last chunk: no endpoint answers what it has not got', async () => {
  const { side, clock, exchange } = start(Readable.from([]))
  exchange.onConnect(() => undefined)
  await clock.advance(9000)
  exchange.onBodySent('the end')
  exchange.onRequestSent()
  await clock.advance(8)
  head(exchange, 200)
  expect(side.estimateUs(9008) / 1000).toBe(8)
})

test('what is answered while its caller does not go on with the upload took that long at most', async () => {
  const answeredAfter = async (ms: number): Promise<number> => {
    const body = new PassThrough()
    body.resume()
    const { side, clock, exchange } = start(body)
    exchange.onConnect(() => undefined)
    exchange.onBodySent('some')
    await clock.advance(ms)
    head(exchange, 408)
    return side.estimateUs(ms) / 1000
  }
  expect(await answeredAfter(8)).toBe(8)
  // The seed of 30 ms, decayed for 5 s.
  expect(await answeredAfter(5000)).toBeCloseTo(30 * Math.exp(-0.5), 1)
})

describe('our event loop is held up for 800 ms', () => {
  /** Settled at 10 ms, and a request written at 190 of them. */
  async function written(): Promise<ReturnType<typeof start>> {
    const begun = start()
    const { side, clock, exchange } = begun
    await clock.advance(100)
    for (let n = 0; n < 10; n++) side.observe(10, 100)
    exchange.onConnect(() => undefined)
    await clock.advance(90)
    return begun
  }
  const heldUp = async (happen: (exchange: Exchange) => void, awaitedMs = 0): Promise<number> => {
    const { side, clock, exchange } = await written()
    await clock.advance(awaitedMs)
    clock.holdUp(800)
    happen(exchange)
    return side.estimateUs(clock.now()) / 1000
  }

  test('an answer that may have come when it was expected says nothing', () => {
    const { side, clock, exchange } = start()
    for (let n = 0; n < 10; n++) side.observe(10, 0)
    exchange.onConnect(() => undefined)
    clock.holdUp(800)
    head(exchange, 200)
    expect(side.estimateUs(800) / 1000).toBeCloseTo(10 * Math.exp(-0.08), 2)
    expect(side.verdicts).toEqual([[7, 'success']])
  })

  test('one that must have been later says how much later', async () => {
    // Written at 100, polled for at 180 the last time before.
    expect(await heldUp((exchange) => head(exchange, 200))).toBe(80)
    expect(await heldUp((exchange) => head(exchange, 200), 1000)).toBe(1080)
  })

  test('one that must have been sooner says how much sooner', () => {
    const { side, clock, exchange } = start()
    for (let n = 0; n < 10; n++) side.observe(10_000, 0)
    exchange.onConnect(() => undefined)
    clock.holdUp(800)
    head(exchange, 200)
    // An eighth of the time constant of 10 s takes it part of the way to 800 ms.
    const kept = Math.exp(-0.08)
    expect(side.estimateUs(800) / 1000).toBeCloseTo(10_000 * kept + 800 * (1 - kept), 0)
  })

  test('one that is read in time counts as it is', async () => {
    expect(await heldUp(() => undefined)).toBeLessThan(10)
    const { side, clock, exchange } = await written()
    clock.holdUp(15)
    head(exchange, 200)
    expect(side.estimateUs(clock.now()) / 1000).toBe(105)
  })

  test('the time after it is known exactly again', async () => {
    const { side, clock, exchange } = await written()
    clock.holdUp(800)
    await clock.advance(100)
    head(exchange, 200)
    expect(side.estimateUs(clock.now()) / 1000).toBe(990)
  })

  test.each<[string, (exchange: Exchange) => void]>([
    ['5xx', (exchange) => head(exchange, 503)],
    ['a reset', (exchange) => exchange.onError(new Error('reset'))],
  ])('a failure counts for as long as it must have taken: %s', async (_, happen) => {
    // From the pick at 0 to 180, and four times the estimate is less.
    expect(await heldUp(happen)).toBe(180)
  })

  test('a deadline takes its time, whoever was held up', async () => {
    expect(await heldUp((exchange) => exchange.abandon(new Error('late'), 'failure'))).toBe(990)
  })
})

test.each<[Ending, (exchange: Exchange) => void]>([
  ['complete', (exchange) => exchange.onComplete([])],
  ['broken', (exchange) => exchange.onError(new Error('reset'))],
  ['abandoned', (exchange) => exchange.abandon(new Error('gone'), 'ignored')],
])('leaves its connection %s', (ending, happen) => {
  const { side, exchange } = start()
  exchange.onConnect(() => undefined)
  happen(exchange)
  expect(side.released).toEqual([ending])
})

describe('the verdict', () => {
  test.each<[string, (exchange: Exchange) => void, Outcome]>([
    ['2xx', (exchange) => head(exchange, 200), 'success'],
    ['4xx', (exchange) => head(exchange, 404), 'success'],
    ['5xx', (exchange) => head(exchange, 500), 'failure'],
    ['a broken connection', (exchange) => exchange.onError(new Error('reset')), 'failure'],
    ['the caller went away', (exchange) => exchange.abandon(new Error('bye'), 'ignored'), 'ignored'],
    ['refused by undici', (exchange) => exchange.onError(new errors.InvalidArgumentError('path')), 'ignored'],
    ['our pool is closed', (exchange) => exchange.onError(new errors.ClientDestroyedError()), 'ignored'],
  ])('%s: %o', (_, happen, outcome) => {
    const { side, exchange } = start()
    exchange.onConnect(() => undefined)
    happen(exchange)
    expect(side.verdicts).toEqual([[7, outcome]])
  })

  test("an error of the caller's own body is not the endpoint's", () => {
    const body = new PassThrough()
    body.on('error', () => undefined)
    const { side, exchange } = start(body)
    const error = new Error('the upload broke off')
    body.destroy(error)
    exchange.onError(error)
    expect(side.verdicts).toEqual([[7, 'ignored']])
  })

  test('waits for the final head', () => {
    const { side, exchange } = start()
    head(exchange, 103)
    expect(side.verdicts).toEqual([])
    head(exchange, 200)
    expect(side.verdicts).toEqual([[7, 'success']])
  })

  test('a body cut off costs latency, after a good head, and no more the longer it went on', async () => {
    const { side, exchange, next, clock } = start()
    exchange.onConnect(() => undefined)
    await clock.advance(10)
    head(exchange, 200)
    await clock.advance(600_000)
    side.observe(10, clock.now())
    const before = side.estimateUs(clock.now())
    exchange.onError(new Error('reset'))
    expect(side.estimateUs(clock.now())).toBe(4 * before)
    expect(next.heard).toEqual(['head 200', 'error reset'])
  })
})

describe("the backend's report", () => {
  const raw = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))
  const answer = (exchange: Exchange, status: number, headers: Buffer[]): boolean =>
    exchange.onHeaders(status, headers, () => undefined, '')
  const report = 'TEXT cpu_utilization=0.5,rps_fractional=8'

  test.each(['endpoint-load-metrics', 'Endpoint-Load-Metrics', 'ENDPOINT-LOAD-METRICS'])(
    'is read where somebody wants it: %s',
    async (name) => {
      const { side, clock, exchange } = start()
      side.backendLoad = new BackendLoad()
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
      answer(exchange, 200, headers)
      expect(side.backendLoad).toMatchObject({ utilization: 0.5, qps: 8, eps: 0, reportedAt: 7 })
    },
  )

  test('of an error counts as any other; of an interim response it is none', () => {
    const { side, exchange } = start()
    side.backendLoad = new BackendLoad()
    answer(exchange, 103, raw('endpoint-load-metrics', report))
    expect(side.backendLoad.reportedAt).toBe(-1)
    answer(exchange, 503, raw('endpoint-load-metrics', report))
    expect(side.backendLoad.qps).toBe(8)
  })

  test('stays away with a request that was given up', () => {
    const { side, exchange } = start()
    side.backendLoad = new BackendLoad()
    exchange.abandon(new Error('too late'), 'failure')
    answer(exchange, 200, raw('endpoint-load-metrics', report))
    expect(side.backendLoad.reportedAt).toBe(-1)
  })

  test('is handed on with all other headers', () => {
    const { side, next, exchange } = start()
    side.backendLoad = new BackendLoad()
    const headers = raw('endpoint-load-metrics', 'nonsense', 'odd')
    const handed: Buffer[][] = []
    next.onHeaders = (_: number, given?: Buffer[]) => handed.push(given ?? []) > 0
    answer(exchange, 200, headers)
    expect(handed).toEqual([raw('endpoint-load-metrics', 'nonsense', 'odd')])
    expect(side.backendLoad.reportedAt).toBe(-1)
  })
})

describe('the endpoint is unreachable', () => {
  test('where no connection could be made', () => {
    const { side, exchange } = start()
    const refused = new Error('connect ECONNREFUSED')
    exchange.onError(refused)
    expect(side.unreached).toEqual([refused])
  })

  test.each<[string, (exchange: Exchange) => void]>([
    [
      'a connection broke',
      (exchange) => {
        exchange.onConnect(() => undefined)
        exchange.onError(new Error('reset'))
      },
    ],
    ['undici refused the request', (exchange) => exchange.onError(new errors.InvalidArgumentError('path'))],
    ['our pool is closed', (exchange) => exchange.onError(new errors.ClientDestroyedError())],
    ['it was given up', (exchange) => exchange.abandon(new Error('too late'), 'failure')],
    [
      'it was given up, and then refused',
      (exchange) => {
        exchange.abandon(new Error('too late'), 'failure')
        exchange.onError(new Error('connect ECONNREFUSED'))
      },
    ],
  ])('not where %s', (_, happen) => {
    const { side, exchange } = start()
    happen(exchange)
    expect(side.unreached).toEqual([])
  })
})

test('given up before it is connected, it is aborted as soon as it is', () => {
  const { exchange, next } = start()
  const reason = new Error('too late')
  exchange.abandon(reason, 'failure')
  let aborted: Error | undefined
  exchange.onConnect((why) => (aborted = why))
  expect(aborted).toBe(reason)
  expect(exchange.written).toBe(false)
  exchange.onError(reason)
  expect(next.heard).toEqual([])
})

test('an upgraded connection stays in flight until it closes', async () => {
  const { side, exchange } = start()
  const socket = new PassThrough()
  exchange.onUpgrade(101, [], socket)
  expect(side.inflight).toBe(1)
  socket.destroy()
  await new Promise((resolve) => socket.once('close', resolve))
  expect(side.inflight).toBe(0)
})
